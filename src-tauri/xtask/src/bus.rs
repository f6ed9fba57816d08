//! A session bus as seen from outside: calls and properties through `busctl`, whose answers are JSON.

use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::command::{Failure, show};
use crate::process::eventually;

/// A bus, by its address.
#[derive(Clone, Debug)]
pub struct Bus {
    address: String,
}

/// An object on a bus and one of its interfaces.
#[derive(Clone, Copy, Debug)]
pub struct Object<'a> {
    /// The name of the connection that has it.
    pub owner: &'a str,
    /// The object's path.
    pub path: &'a str,
    /// The interface.
    pub interface: &'a str,
}

impl Bus {
    /// The bus at this address.
    pub fn at(address: impl Into<String>) -> Self {
        Self { address: address.into() }
    }

    /// Calls a method; `arguments` are the signature and the values as `busctl` takes them. Gives the list of what it returns.
    pub fn call(&self, object: Object<'_>, method: &str, arguments: &[&str]) -> Result<Value, Failure> {
        let Object { owner, path, interface } = object;
        let mut command = self.busctl();
        command.args(["call", owner, path, interface, method]).args(arguments);
        answer(&mut command)
    }

    /// Reads a property.
    pub fn property(&self, object: Object<'_>, name: &str) -> Result<Value, Failure> {
        let Object { owner, path, interface } = object;
        answer(self.busctl().args(["get-property", owner, path, interface, name]))
    }

    /// Sets a property; `value` is the signature and the value as `busctl` takes them.
    pub fn set_property(&self, object: Object<'_>, name: &str, value: &[&str]) -> Result<(), Failure> {
        let Object { owner, path, interface } = object;
        answer(self.busctl().args(["set-property", owner, path, interface, name]).args(value)).map(drop)
    }

    /// Whether somebody owns the name.
    pub fn has(&self, name: &str) -> bool {
        let bus =
            Object { owner: "org.freedesktop.DBus", path: "/org/freedesktop/DBus", interface: "org.freedesktop.DBus" };
        self.call(bus, "NameHasOwner", &["s", name]).is_ok_and(|answer| answer[0] == true)
    }

    /// Waits until somebody owns the name.
    pub fn wait_for(&self, name: &str, within: Duration) -> Result<(), Failure> {
        eventually(&format!("somebody to own {name} on the session bus"), within, || self.has(name).then_some(()))
    }

    fn busctl(&self) -> Command {
        let mut command = Command::new("busctl");
        // The double dash keeps negative numbers from being taken for options.
        command.arg(format!("--address={}", self.address)).args(["--json=short", "--timeout=5", "--"]);
        command
    }
}

fn answer(command: &mut Command) -> Result<Value, Failure> {
    let output = command.output().map_err(Failure::io("busctl could not be started; install the package systemd"))?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(Failure::new(format!("`{}`: {words}", show(command))));
    }
    if output.stdout.trim_ascii().is_empty() {
        return Ok(Value::Null);
    }
    let mut answer: Value = serde_json::from_slice(&output.stdout)
        .map_err(|error| Failure::new(format!("`{}` did not answer in JSON: {error}", show(command))))?;
    Ok(answer["data"].take())
}
