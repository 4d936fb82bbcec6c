//! What cellular modems report unasked, and why they refuse.
//!
//! Owns the reports of 3GPP TS 27.007 and 27.005 and the commonest of the makers' own, in words.

/// In words what a cellular modem reports with this line, unasked or asked for; `None` if it is no such report.
#[must_use]
pub fn report(line: &str) -> Option<String> {
    if let Some((_, meaning)) = WORDS.iter().find(|(word, _)| *word == line) {
        return Some((*meaning).to_owned());
    }
    let (tag, value) = line.split_once(':')?;
    explain(tag, value.trim())
}

/// In words what a line with this tag says, asked for or not.
pub(super) fn explain(tag: &str, value: &str) -> Option<String> {
    let values: Vec<&str> = value.split(',').map(str::trim).collect();
    let first = values.first().copied().unwrap_or("");
    Some(match tag {
        "+CREG" | "+CGREG" | "+CEREG" | "+C5GREG" => registration(tag, &values)?,
        "+CSQ" => signal(first)?,
        "^RSSI" | "+CSQN" => signal(first)?,
        "+CPIN" => match first {
            "READY" => "the SIM is ready".to_owned(),
            "SIM PIN" => "the SIM wants its PIN: AT+CPIN=\"…\"".to_owned(),
            "SIM PUK" => "the SIM is locked and wants its PUK".to_owned(),
            other => format!("the SIM wants {other}"),
        },
        "+CFUN" => match first {
            "0" => "the radio is off: AT+CFUN=1".to_owned(),
            "1" => "the radio is on".to_owned(),
            "4" => "the radio is off (aeroplane mode): AT+CFUN=1".to_owned(),
            other => format!("functionality {other}"),
        },
        "+COPS" => match values.get(2) {
            Some(name) => format!("the network is {}", name.trim_matches('"')),
            None => "no network is selected".to_owned(),
        },
        _ => {
            let (_, meaning) = TAGS.iter().find(|(known, _)| *known == tag)?;
            if value.is_empty() { (*meaning).to_owned() } else { format!("{meaning}: {value}") }
        }
    })
}

/// Why a command failed, where the line says (`+CME ERROR: 10`, `NO CARRIER/34D8`).
pub(super) fn cause(line: &str) -> Option<String> {
    if let Some(code) = line.strip_prefix("+CME ERROR:") {
        let code = code.trim();
        let known = CME.iter().find(|(number, _)| *number == code).map(|(_, text)| *text);
        return Some(known.map_or_else(|| code.to_owned(), |text| format!("{code}, {text}")));
    }
    if let Some(code) = line.strip_prefix("+CMS ERROR:") {
        return Some(format!("short message service: {}", code.trim()));
    }
    let text = line.strip_prefix("NO CARRIER")?.trim_matches([' ', '/', '(', ')']);
    // The last byte of an ISDN cause in hexadecimal, with or without its extension bit (Q.850).
    let code = text.get(text.len().checked_sub(2)?..).and_then(|hex| u8::from_str_radix(hex, 16).ok())? & 0x7f;
    let known = Q850.iter().find(|(number, _)| *number == code).map(|(_, text)| *text);
    Some(known.map_or_else(|| text.to_owned(), |known| format!("{text}, {known}")))
}

/// `stat`, or `n,stat` in answer to a question; the places after it are quoted or longer than a digit.
fn registration(tag: &str, values: &[&str]) -> Option<String> {
    let digit = |text: &&str| text.len() <= 2 && text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty();
    let stat = match values {
        [_, stat, ..] if digit(stat) => stat,
        [stat, ..] if digit(stat) => stat,
        _ => return None,
    };
    let network = match tag {
        "+CGREG" => "the packet network (GPRS)",
        "+CEREG" => "LTE",
        "+C5GREG" => "5G",
        _ => "the network",
    };
    Some(match *stat {
        "0" => format!("not registered with {network}, and not looking for one"),
        "1" => format!("registered with {network}, at home"),
        "2" => format!("looking for {network}"),
        "3" => format!("{network} denied the registration: is the SIM active?"),
        "4" => format!("registration with {network} unknown: out of coverage?"),
        "5" => format!("registered with {network}, roaming"),
        "6" | "7" => format!("registered with {network} for short messages only"),
        "8" => format!("registered with {network} for emergency calls only"),
        other => format!("registration with {network}: state {other}"),
    })
}

/// 0 to 31 in steps of 2 dB from -113 dBm, 99 unknown (3GPP TS 27.007 8.5).
fn signal(value: &str) -> Option<String> {
    let value: u8 = value.parse().ok()?;
    Some(match value {
        0..=31 => {
            let dbm = i32::from(value) * 2 - 113;
            let verdict = match value {
                0..=5 => "too weak: move the antenna",
                6..=9 => "weak",
                10..=14 => "fair",
                15..=19 => "good",
                _ => "very good",
            };
            format!("signal {dbm} dBm, {verdict}")
        }
        _ => "signal unknown".to_owned(),
    })
}

const WORDS: [(&str, &str); 12] = [
    ("RDY", "the module has started"),
    ("READY", "the module has started"),
    ("SYSSTART", "the module has started"),
    ("+PBREADY", "the telephone book can be read"),
    ("PB DONE", "the telephone book can be read"),
    ("Call Ready", "the module can make calls"),
    ("SMS Ready", "the module can send short messages"),
    ("SMS DONE", "the module can send short messages"),
    ("NORMAL POWER DOWN", "the module switches off"),
    ("POWERED DOWN", "the module switches off"),
    ("UNDER-VOLTAGE WARNNING", "the supply is too weak: the module will switch off"),
    ("MISSED_CALL", "a call was not answered"),
];

const TAGS: [(&str, &str); 34] = [
    ("+CIEV", "an indicator changed (number, value)"),
    ("+CMTI", "a short message has come and is stored at"),
    ("+CMT", "a short message has come; its text is the next line"),
    ("+CDSI", "a delivery report is stored at"),
    ("+CDS", "a delivery report"),
    ("+CBM", "a cell broadcast"),
    ("+CUSD", "an answer of the network to a service code"),
    ("+CGEV", "packet service"),
    ("+COLP", "the call is connected to"),
    ("+CSSI", "a supplementary service of an outgoing call"),
    ("+CSSU", "a supplementary service of an incoming call"),
    ("+CCWV", "the call's charge nears its limit"),
    ("+CTZV", "the network's time zone"),
    ("+CTZE", "the network's time"),
    ("+CLIP", "caller identification"),
    ("+CCLK", "the module's clock"),
    ("+CGATT", "packet service attached"),
    ("+CGDCONT", "a packet connection"),
    ("+CGPADDR", "address"),
    ("+WIND", "an indication of Wavecom"),
    ("+QIND", "an indication of Quectel"),
    ("+PACSP1", "the network's own settings"),
    ("MISSED_CALL", "a call was not answered"),
    ("VOICE CALL", "a voice call"),
    ("^MODE", "system mode (mode, submode)"),
    ("^BOOT", "the module has started"),
    ("^DSFLOWRPT", "traffic so far (seconds, rates, bytes; hexadecimal)"),
    ("^SIMST", "state of the SIM (1 is good)"),
    ("^SRVST", "state of service (2 is good)"),
    ("^ORIG", "a call goes out (number, type)"),
    ("^CONF", "the other end is alerted"),
    ("^CONN", "the other end answered (number, type)"),
    ("^CEND", "a call ended (number, seconds, cause)"),
    ("^STIN", "a menu of the SIM"),
];

/// 3GPP TS 27.007 9.2.
const CME: [(&str, &str); 26] = [
    ("0", "the module failed"),
    ("3", "not allowed now"),
    ("4", "not supported"),
    ("5", "the module wants its SIM's PIN"),
    ("10", "there is no SIM: is it seated?"),
    ("11", "the SIM wants its PIN: AT+CPIN=\"…\""),
    ("12", "the SIM is locked and wants its PUK"),
    ("13", "the SIM failed"),
    ("14", "the SIM is busy: try again"),
    ("15", "the SIM is wrong for this module"),
    ("16", "wrong password"),
    ("17", "the SIM wants its PIN2"),
    ("20", "memory full"),
    ("21", "no such index"),
    ("22", "not found"),
    ("23", "the memory failed"),
    ("30", "no network service: check antenna and SIM"),
    ("31", "the network did not answer in time"),
    ("32", "the network allows emergency calls only"),
    ("50", "wrong parameters"),
    ("58", "wrong command"),
    ("100", "unknown"),
    ("107", "the network does not allow packet service"),
    ("133", "the subscription does not include this service"),
    ("148", "packet service failed"),
    ("149", "the network refused name or password of the packet service"),
];

/// ITU-T Q.850, table 1.
const Q850: [(u8, &str); 20] = [
    (1, "no such number"),
    (2, "no route to that network"),
    (3, "no route to that number"),
    (16, "the call was ended normally"),
    (17, "busy"),
    (18, "nobody responds"),
    (19, "nobody answers"),
    (21, "the call was rejected"),
    (22, "the number has changed"),
    (26, "cleared for another user"),
    (27, "the other end is out of order"),
    (28, "the number is not whole"),
    (31, "normal"),
    (34, "no channel is free"),
    (38, "the network is out of order"),
    (41, "the network failed for now"),
    (42, "the network is congested"),
    (44, "that channel is not there"),
    (57, "this line may not have this kind of call"),
    (88, "the other end is of another kind"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_told_in_words() {
        for (line, expected) in [
            ("+CREG: 0,5", "registered with the network, roaming"),
            ("+CREG: 2", "looking for the network"),
            ("+CEREG: 1,\"1A2B\",\"01C0FFEE\",7", "registered with LTE, at home"),
            ("+CSQ: 14,99", "signal -85 dBm, fair"),
            ("^RSSI:99", "signal unknown"),
            ("+CPIN: SIM PIN", "the SIM wants its PIN: AT+CPIN=\"…\""),
            ("+COPS: 0,0,\"Vodafone\",7", "the network is Vodafone"),
            ("RDY", "the module has started"),
            ("+CMTI: \"SM\",3", "a short message has come and is stored at: \"SM\",3"),
        ] {
            assert_eq!(report(line).as_deref(), Some(expected), "{line}");
        }
        for line in ["", "OK", "login:", "+CREG: ?", "+CSQ: x", "Password: "] {
            assert_eq!(report(line), None, "{line}");
        }
    }

    #[test]
    fn causes_are_told_in_words() {
        for (line, expected) in [
            ("+CME ERROR: 10", "10, there is no SIM: is it seated?"),
            ("+CME ERROR: raspberry", "raspberry"),
            ("+CMS ERROR: 500", "short message service: 500"),
            ("NO CARRIER (E0011)", "E0011, busy"),
            ("NO CARRIER/34D8", "34D8, the other end is of another kind"),
            ("NO CARRIER/3491", "3491, busy"),
        ] {
            assert_eq!(cause(line).as_deref(), Some(expected), "{line}");
        }
        for line in ["NO CARRIER", "OK", "ERROR", "NO CARRIER é"] {
            assert_eq!(cause(line), None, "{line}");
        }
    }
}
