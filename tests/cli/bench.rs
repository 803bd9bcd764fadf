use super::support::Home;

#[test]
fn the_engine_is_measured_with_spread_and_memory_limit() {
    let args = ["--echo", "--json", "--prompt-tokens", "32", "--generate", "4", "--runs", "3", "--batch", "1,2"];
    let report = Home::new().run(&[&["bench", "echo"], &args[..]].concat()).json();
    let report = &report["report"];
    for spread in [&report["prefill"], &report["decode"][0]["tokens_per_second"]] {
        let [min, median, max] = ["min", "median", "max"].map(|key| spread[key].as_f64().unwrap());
        assert!(0.0 < min && min <= median && median <= max, "{spread}");
    }
    assert_eq!((report["runs"].as_u64(), report["decode"][1]["sequences"].as_u64()), (Some(3), Some(2)));
}

#[test]
fn servers_are_measured_and_compared_with_the_first() {
    let home = Home::new();
    // Two servers cannot keep conversations in one folder.
    let (one, two) = (home.serve(&[]), home.serve(&["--no-store"]));
    let urls = ["--url", &one.url(), "--url", &two.url()].map(str::to_owned);
    let urls: Vec<_> = urls.iter().map(String::as_str).collect();
    let load = ["--clients", "2", "--requests", "4", "--prompt-tokens", "20", "--max-tokens", "5"];
    let report = home.run(&[&["bench", "echo-long", "--json"], &load[..], &urls].concat()).json();
    let servers = report["servers"].as_array().unwrap();
    assert_eq!(servers.len(), 2);
    for server in servers {
        let result = &server["result"];
        assert_eq!((result["answers"].as_u64(), result["errors"].as_u64()), (Some(4), Some(0)), "{server}");
        assert_eq!(result["completion_tokens"].as_u64(), Some(20), "{server}");
        assert!(result["ttft_ms"][0].as_f64() > Some(0.0), "{server}");
    }
    let text = home.run(&[&["bench", "echo-long", "--shared-prefix"], &load[..], &urls].concat()).ok();
    assert!(text.contains("TTFT p95") && text.contains("x)") && text.contains("one system prompt"), "{text}");
}

#[test]
fn what_cannot_be_measured_is_refused_with_the_reason() {
    let home = Home::new();
    let too_long = home.run(&["bench", "echo-tiny", "--echo", "--prompt-tokens", "100"]);
    too_long.fails(1, &["--prompt-tokens 100", "has 64"]);
    home.run(&["bench", "echo-embed", "--echo"]).fails(1, &["echo-embed", "generate text"]);
    let server = home.serve(&[]);
    home.run(&["bench", "nobody", "--url", &server.url()]).fails(1, &["answered none", "nobody"]);
    home.run(&["bench", "echo", "--clients", "2"]).fails(2, &["--url"]);
}
