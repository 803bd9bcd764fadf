//! Formats of strings where llguidance allows a little more than there is: the 29th of February of every year, a leap
//! second at any minute, a domain whose last label is a number, and labels of any length.

/// A pattern that a text of this format also has to match.
pub(super) fn narrower(format: &str) -> Option<String> {
    // 366 days of a leap year, of which the 29th of February needs its year.
    const DATE: &str = "([0-9]{4}-(0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|[0-9]{4}-(0[469]|11)-(0[1-9]|[12][0-9]|30)\
        |[0-9]{4}-02-(0[1-9]|1[0-9]|2[0-8])|([0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)-02-29)";
    const TIME: &str =
        "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?([zZ]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])";
    const LABEL: &str = "[A-Za-z0-9]([A-Za-z0-9-]{0,40}[A-Za-z0-9])?";
    match format {
        "date" => Some(format!("^{DATE}$")),
        "time" => Some(format!("^{TIME}$")),
        "date-time" => Some(format!("^{DATE}[tT]{TIME}$")),
        "email" => {
            const WORD: &str = "[A-Za-z0-9_%+-]{1,20}";
            Some(format!("^{WORD}(\\.{WORD}){{0,2}}@({LABEL}\\.){{1,3}}[A-Za-z]{{2,20}}$"))
        }
        "hostname" => Some(format!("^({LABEL}\\.){{0,3}}[A-Za-z]{{1,63}}$")),
        _ => None,
    }
}
