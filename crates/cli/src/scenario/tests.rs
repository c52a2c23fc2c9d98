//! Files that are scenarios, and files that are none.

use std::path::Path;

use super::parse::parse;
use super::{DEFAULT, File, Loaded, Power, Scenario, Step, load};
use crate::run::RunOptions;

fn read(text: &str) -> Result<Loaded, String> {
    parse("x", text, Path::new("/folder")).map_err(|error| error.to_string())
}

fn step(text: &str) -> Step {
    let loaded = read(&format!("[[step]]\n{text}")).unwrap_or_else(|error| panic!("{text}: {error}"));
    let [step] = &loaded.scenario.steps[..] else { panic!("one step") };
    step.clone()
}

#[test]
fn every_step_works_with_do_alone() {
    for verb in Step::VERBS {
        let step = step(&format!("do = \"{verb}\""));
        assert_eq!(step.verb(), *verb);
        assert_eq!(step.check(), Ok(()), "{verb}");
    }
}

#[test]
fn the_built_in_life_is_start_work_power_stop() {
    let loaded = load(DEFAULT).expect("the built-in scenario is one");
    let verbs: Vec<&str> = loaded.scenario.steps.iter().map(Step::verb).collect();
    assert_eq!(verbs, ["start", "work", "power", "stop"]);
    assert!(loaded.settings.is_empty() && loaded.driver.is_none());
}

#[test]
fn a_step_says_how_in_its_other_fields() {
    let power = step("do = \"power\"\nto = \"d1\"\nback = false\nadapter = 1");
    let Step::Power(Power { adapter: Some(1), back: false, times: 1, .. }) = power else {
        panic!("{power:?}");
    };
}

#[test]
fn a_mistake_is_told_with_its_line_and_column() {
    let cases = [
        ("", "line 1, column 1: there is no [[step]]"),
        ("[[step]\n", "line 1, column 8:"),
        ("[machine]\nseed = 1\n", "there is no [[step]]"),
        ("step = 3", "line 1, column 8: step is no list of tables"),
        ("step = []", "line 1, column 8: 0 steps"),
        ("step = [3]", "line 1, column 9: a step is no table"),
        ("[[step]]\nadapter = 1", "line 1, column 1: the step has no `do`; accepted: start, stop"),
        ("[[step]]\ndo = 3", "line 2, column 6: `do` is no text"),
        ("[[step]]\n  do = \"dance\"", "line 2, column 8: unknown step \"dance\"; accepted: start, stop"),
        ("[[step]]\ndo = \"start\"\nadaptor = 1", "line 3, column 1: unknown field `adaptor`"),
        ("[[step]]\ndo = \"power\"\nto = \"d9\"", "line 3, column 6: unknown variant `d9`"),
        ("[[step]]\ndo = \"work\"\nrounds = 0", "line 3, column 1: rounds is 0; accepted: 1 to 100000"),
        ("[[step]]\ndo = \"work\"\nrounds = \"two\"", "line 3, column 10: invalid type"),
        ("[[step]]\ndo = \"wait\"\nmilliseconds = 60001", "accepted: 1 to 60000"),
        ("[[step]]\ndo = \"dma\"\nbytes = 65537", "accepted: 1 to 65536"),
        ("[[step]]\ndo = \"dma\"\naddress = -1", "line 3, column 11: invalid value"),
        (
            "[[step]]\ndo = \"expect\"\nfinding = \"DMA-999\"",
            "line 3, column 1: no rule is called \"DMA-999\"",
        ),
        ("[[step]]\ndo = \"expect\"\noutcome = \"fine\"", "line 3, column 11: unknown variant `fine`"),
        (
            "[[step]]\ndo = \"expect\"\nmemory = { address = 0, bytes = \"abc\" }",
            "line 3, column 1: bytes is no list",
        ),
        ("[[step]]\ndo = \"start\"\n[mashine]\n", "line 3, column 2: unknown field `mashine`"),
        ("[machine]\ncolour = 1\n[[step]]\ndo = \"start\"", "line 2, column 1: unknown field `colour`"),
        (
            "[machine]\n iommu = \"on\"\n[[step]]\ndo = \"start\"",
            "line 2, column 2: invalid value 'on' for '--iommu",
        ),
        ("[machine]\nram = \"lots\"\n[[step]]\ndo = \"start\"", "line 2, column 1: --ram: 'lots' is no size"),
        (
            "[driver]\nregistry = [\"A=dword:1\", \"B\"]\n[[step]]\ndo = \"start\"",
            "line 2, column 26: --registry: \"B\" has no '='",
        ),
        ("[driver]\npath = 3\n[[step]]\ndo = \"start\"", "line 2, column 1: path is no text"),
    ];
    for (text, told) in cases {
        let error = read(text).map(|loaded| loaded.scenario).expect_err(text);
        assert!(error.contains(told), "{text:?}\n  gives {error}\n  not   {told}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

const BESIDE: &str = r#"
    [machine]
    ram = "8G"
    seed = 7
    force-iommu = true
    device = "mine.toml"
    [driver]
    path = "mine.sys"
    registry = ["A=dword:1", "B=string:x"]
    [[step]]
    do = "start"
"#;

#[test]
fn options_of_a_file_are_those_of_the_command_line_which_overrides_them() {
    let text = BESIDE.replace("device = \"mine.toml\"", "").replace("path = \"mine.sys\"", "");
    let loaded = read(&text).expect("a scenario");
    let options = |line: &[&str]| {
        let arguments = line.iter().map(Into::into).collect::<Vec<_>>();
        let options = RunOptions::over(&loaded, arguments).expect("options");
        options.config(Scenario::nothing()).expect("a configuration")
    };
    let of_file = options(&[]);
    assert_eq!((of_file.ram.as_str(), of_file.seed, of_file.force_iommu), ("8G", 7, true));
    let names = |config: &crate::run::config::RunConfig| {
        config.registry.iter().map(|entry| entry.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(&of_file), ["A", "B"]);
    let over = options(&["--ram", "1G", "--seed=2", "--registry", "C=dword:3"]);
    assert_eq!((over.ram.as_str(), over.seed, over.force_iommu), ("1G", 2, true));
    assert_eq!(names(&over), ["A", "B", "C"], "what is on the command line is set last");
}

#[test]
fn paths_begin_where_the_scenario_is() {
    let error = read(BESIDE).map(|_| ()).expect_err("no such device");
    assert!(error.contains("line 6") && error.contains("/folder/mine.toml"), "{error}");
    let text = BESIDE.replace("device = \"mine.toml\"", "device = \"none\"");
    let loaded = read(&text).expect("a scenario");
    assert_eq!(loaded.driver.as_deref(), Some(Path::new("/folder/mine.sys")));
}

#[test]
fn the_schema_accepts_every_step_under_its_name() {
    let schema = serde_json::to_value(schemars::schema_for!(File)).expect("JSON");
    let text = schema.to_string();
    for verb in Step::VERBS {
        assert!(text.contains(&format!("\"const\":\"{verb}\"")), "{verb}: {text}");
    }
    assert!(text.contains("\"force-iommu\"") && text.contains("\"no-finding\""), "{text}");
}

#[test]
fn a_scenario_reaches_the_child_as_it_was_read() {
    let all: String = Step::VERBS.iter().map(|verb| format!("[[step]]\ndo = \"{verb}\"\n")).collect();
    let scenario = read(&all).expect("a scenario").scenario;
    let line = serde_json::to_string(&scenario).expect("JSON");
    assert_eq!(serde_json::from_str::<Scenario>(&line).expect("the same"), scenario);
}
