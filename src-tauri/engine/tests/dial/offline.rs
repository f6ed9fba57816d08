//! A computer without any network: a network namespace of its own, in which the test runs itself again.

use std::process::Command;

use heartwire_core::settings::{Proxy, ProxyAddress};
use heartwire_engine::dial::dial;
use xtask::test::skip;

use crate::by;

/// Tells the second run that it is one.
const AGAIN: &str = "HEARTWIRE_TEST_OFFLINE";

const NAME: &str = "offline::a_computer_without_a_network_says_so_and_nothing_of_the_server";

#[tokio::test]
async fn a_computer_without_a_network_says_so_and_nothing_of_the_server() {
    if std::env::var_os(AGAIN).is_some() {
        return cut_off().await;
    }
    let cut = |program: &str| {
        let mut command = Command::new("unshare");
        command.args(["--net", "--map-root-user", program]);
        command
    };
    match cut("true").output() {
        Ok(tried) if tried.status.success() => {}
        Ok(tried) => return skip(NAME, &format!("no network namespace: {}", String::from_utf8_lossy(&tried.stderr))),
        Err(error) => return skip(NAME, &format!("unshare (util-linux) cannot be started: {error}")),
    }
    let mut run = cut(std::env::current_exe().unwrap().to_str().unwrap());
    let run = run.args(["--exact", NAME, "--nocapture"]).env(AGAIN, "1").output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success() && said.contains("1 passed"), "{said}");
}

async fn cut_off() {
    let through = |proxy: &str| Proxy::Through(ProxyAddress::parse(proxy).unwrap());
    for url in ["ws://192.0.2.7/", "wss://[2001:db8::7]/", "ws://crm.example/"] {
        for proxy in [Proxy::None, Proxy::System, through("http://192.0.2.8:1"), through("socks5://p.example")] {
            let cause = dial(&by(proxy.clone(), url)).await.unwrap_err();
            let seen = (cause.code.to_string(), cause.text, cause.offline);
            let expected = ("unreachable".to_owned(), "this computer has no network".to_owned(), true);
            assert_eq!(seen, expected, "{url} {proxy:?}");
        }
    }
}
