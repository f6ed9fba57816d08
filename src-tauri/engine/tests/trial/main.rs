//! Tests of a connection: each step that can fail, with the real fault behind it, and what a test leaves alone.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests fail the test")]

#[path = "../common/pki.rs"]
mod pki;
#[path = "../common/rig.rs"]
mod rig;
mod spoken;
mod there;
mod way;

use std::time::Duration;

use heartwire_core::settings::{Connection, ConnectionForm, overlay, resolve};
use heartwire_core::trial::{Outcome, Step, StepView};
use heartwire_engine::dial::DialRequest;
use heartwire_engine::settings_file::{defaults, presets};
use heartwire_engine::tls::TlsConfig;
use heartwire_engine::trial;
use serde_json::{Value, json};
use tokio::time::timeout;

/// Longer than any test of a connection takes here.
const LIMIT: Duration = Duration::from_secs(60);

/// The connection that these keys of the settings make.
fn connection(keys: Value) -> Connection {
    let own = json!({ "name": "crm", "proxy": { "url": "none" }, "connect_timeout": "5s" });
    let [keys, own] = [keys, own].map(|keys| serde_json::from_value::<ConnectionForm>(keys).unwrap());
    resolve(&overlay(&keys, &own), &defaults(), &presets()).unwrap_or_else(|errors| panic!("{errors:#?}"))
}

async fn walk(connection: Connection) -> Vec<StepView> {
    within(connection, None).await
}

/// Also checks that what is told on the way is what is given at the end.
async fn within(connection: Connection, limit: Option<Duration>) -> Vec<StepView> {
    let request = DialRequest::new(&connection, TlsConfig::of(connection.tls.clone()));
    let mut told = Vec::new();
    let steps = timeout(LIMIT, trial::run(connection, request, limit, |step| told.push(step.clone()))).await;
    let steps = steps.expect("a test ends");
    assert_eq!(told, steps);
    for step in &steps {
        assert!(!format!("{step:?}").contains("hunter2"), "{step:?}");
        assert_eq!(step.advice.is_some(), step.outcome == Outcome::Failed, "{step:?}");
        assert_eq!(step.cause.is_some(), step.outcome == Outcome::Failed, "{step:?}");
    }
    steps
}

/// The steps with their outcomes, in words.
fn words(steps: &[StepView]) -> Vec<String> {
    let word = |step: &StepView| match step.outcome {
        Outcome::Ok => step.step.word().to_owned(),
        Outcome::Failed => format!("{} FAILED", step.step.word()),
        Outcome::Skipped => format!("({})", step.step.word()),
    };
    steps.iter().map(word).collect()
}

fn step(steps: &[StepView], step: Step) -> &StepView {
    steps.iter().find(|made| made.step == step).unwrap_or_else(|| panic!("{step:?} is not among {steps:#?}"))
}

/// A test that fails at its last step: the steps before it, the code, the words, and a part of the advice.
async fn fails(keys: Value, before: &[&str], at: Step, code: &str, part: &str, advice: &str) {
    let steps = walk(connection(keys)).await;
    let (last, first) = steps.split_last().unwrap();
    assert_eq!(words(first), before, "{last:?}");
    assert_eq!((last.step, last.outcome), (at, Outcome::Failed), "{last:?}");
    assert_eq!(last.cause.as_ref().unwrap().code, code, "{last:?}");
    assert!(last.detail.contains(part), "{last:?}");
    assert!(last.advice.as_ref().unwrap().contains(advice), "{last:?}");
}
