//! What may be a secret, written where it does not belong, is not shown; and no type of the program is.

use super::*;

const CANARY: &str = "hunter2, expected hunter2";

/// The only problem of a file in which `table` stands below `heading`, and not what was written.
fn problem_of(heading: &str, table: &str) -> String {
    let text = format!("{heading}\n{}\n", table.replace("CANARY", CANARY));
    let loaded = home(&text).load();
    let problems = told(&loaded.problems);
    assert_eq!(problems.len(), 1, "{text}: {problems:?}");
    let message = problems[0].1;
    for never in ["hunter2", "struct", "Form"] {
        assert!(!message.contains(never), "{message}");
    }
    message.to_owned()
}

#[test]
fn a_secret_where_its_place_belongs_is_not_repeated_in_a_file() {
    let check = |table: &str, expected: &str| {
        let one = problem_of("[[connections]]\nname = 'b'\nurl = 'ws://h'", table);
        assert_eq!(one, format!("connection \"b\": {expected}"), "{table}");
        let all = problem_of("[connection]", table);
        assert_eq!(all, format!("[connection] {expected}"), "{table}");
    };
    let secret = "auth.secret: a table is needed here: write secret = { keyring = true } or a table of its own";
    check("auth = { kind = 'token', secret = 'CANARY' }", secret);
    check("auth = { kind = 'token', secret = [false, ['CANARY']] }", secret);
    check(
        "auth = 'CANARY'",
        "auth: a table is needed here: write auth = { kind = \"token\", secret = { keyring = true } } or a table of its own",
    );
    check(
        "auth = { kind = 'token', secret = { keyring = 'CANARY' } }",
        "auth.secret.keyring: here stands a text, but true or false is needed: correct it",
    );
    check(
        "auth = { kind = 'token', secret = { command = 'CANARY' } }",
        "auth.secret.command: here stands a text, but a list is needed: correct it",
    );
    check(
        "auth = { kind = 'token', secret = { env = 4711 } }",
        "auth.secret.env: here stands a number, but a text in quotes is needed: correct it",
    );
    check(
        "auth = { kind = 'token', secret = { env = 47.11 } }",
        "auth.secret.env: here stands a number, but a text in quotes is needed: correct it",
    );
    check("auth = { kind = true }", "auth.kind: here stands true or false, but a text in quotes is needed: correct it");
    check(
        "proxy = ['http://me:CANARY@p']",
        "proxy: a table is needed here: write proxy = { url = \"system\" } or a table of its own",
    );
    check(
        "proxy.url = ['http://me:CANARY@p']",
        "proxy.url: here stands a list, but a text in quotes is needed: correct it",
    );
    check("on_open = 'CANARY'", "on_open: here stands a text, but a list is needed: correct it");
    check(
        "headers = { X-Token = 4711 }",
        "headers.X-Token: here stands a number, but a text in quotes is needed: correct it",
    );
    check(
        "tls = ['~/ca.pem']",
        "tls: a table is needed here: write tls = { ca_file = \"~/our-ca.pem\" } or a table of its own",
    );
}

#[test]
fn a_secret_where_its_place_belongs_is_not_repeated_of_a_variable() {
    let check = |key: &str, expected: &str| {
        let variable = format!("HEARTWIRE__CONNECTION__{key}");
        let loaded = empty_home().load_with(&[(&variable, CANARY)]);
        let message = format!("the environment variable {variable} does not count: {expected}");
        assert_eq!(told(&loaded.problems), [(None, message.as_str())]);
    };
    check("AUTH", "here stands a text, but a table is needed: correct it");
    check("AUTH__SECRET", "here stands a text, but a table is needed: correct it");
    check("AUTH__SECRET__KEYRING", "here stands a text, but true or false is needed: correct it");
    check("AUTH__SECRET__COMMAND", "here stands a text, but a list is needed: correct it");
    check("HEADERS", "here stands a text, but a table is needed: correct it");
    check("ON_OPEN", "here stands a text, but a list is needed: correct it");
    check("PROXY", "here stands a text, but a table is needed: correct it");
}
