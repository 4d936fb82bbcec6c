use proptest::prelude::*;

use super::*;

fn parse(body: &str) -> Vec<Result<Command, Malformed>> {
    commands(body.as_bytes()).collect()
}

fn basic(family: Option<char>, letter: char, value: u32) -> Result<Command, Malformed> {
    Ok(Command::Basic { family, letter, value })
}

fn extended(name: &str, action: Action) -> Result<Command, Malformed> {
    Ok(Command::Extended { name: name.to_owned(), action })
}

fn dial(body: &str) -> DialString {
    match parse(body).as_slice() {
        [Ok(Command::Dial(string))] => string.clone(),
        other => panic!("not one dial command: {other:?}"),
    }
}

#[test]
fn reads_several_basic_commands_with_and_without_numbers() {
    assert_eq!(
        parse("E0 v1 x4&c1&d2"),
        [
            basic(None, 'E', 0),
            basic(None, 'V', 1),
            basic(None, 'X', 4),
            basic(Some('&'), 'C', 1),
            basic(Some('&'), 'D', 2)
        ]
    );
    assert_eq!(parse("H"), [basic(None, 'H', 0)]);
    assert_eq!(parse(""), []);
}

#[test]
fn an_unknown_extended_command_is_one_command_not_its_letters() {
    assert_eq!(parse("+VCID=1"), [extended("+VCID", Action::Set("1".into()))]);
    assert_eq!(
        parse("#CID=1;-STE=3"),
        [extended("#CID", Action::Set("1".into())), extended("-STE", Action::Set("3".into()))]
    );
    assert_eq!(parse("*ID1"), [extended("*ID", Action::Set("1".into()))]);
    assert_eq!(parse("%CCID=1"), [extended("%CCID", Action::Set("1".into()))]);
}

#[test]
fn extended_commands_read_test_and_execute() {
    assert_eq!(
        parse("+FCLASS=?;+VCID?;+GMI;E1"),
        [
            extended("+FCLASS", Action::Test),
            extended("+VCID", Action::Read),
            extended("+GMI", Action::Execute),
            basic(None, 'E', 1)
        ]
    );
}

#[test]
fn a_semicolon_inside_quotes_does_not_end_a_value() {
    assert_eq!(parse("+X=\"a; b\" , 2;E"), [extended("+X", Action::Set("\"a; b\",2".into())), basic(None, 'E', 0)]);
}

#[test]
fn vendor_letters_with_numbers_stand_alone() {
    assert_eq!(
        parse("\\N3%C1*B&K3"),
        [basic(Some('\\'), 'N', 3), basic(Some('%'), 'C', 1), basic(Some('*'), 'B', 0), basic(Some('&'), 'K', 3)]
    );
}

#[test]
fn registers_are_written_read_selected_and_set_by_bit() {
    assert_eq!(
        parse("S0=2S7?S8.5=1S3=S12=300"),
        [
            Ok(Command::SetRegister { register: 0, value: 2 }),
            Ok(Command::ReadRegister(7)),
            Ok(Command::SetRegisterBit { register: 8, bit: 5, on: true }),
            Ok(Command::SetRegister { register: 3, value: 0 }),
            Err(Malformed)
        ]
    );
    assert_eq!(parse("S7"), []);
    assert_eq!(parse("S7?=9"), [Ok(Command::ReadRegister(7)), Ok(Command::SetRegister { register: 7, value: 9 })]);
}

#[test]
fn dial_strings_keep_their_modifiers_in_order() {
    let string = dial("DT 9,W(555) 12-34@!P*0#;");
    assert_eq!(
        Vec::from(string.steps),
        [
            DialStep::Tone,
            DialStep::Digits("9".into()),
            DialStep::Pause,
            DialStep::DialTone,
            DialStep::Digits("5551234".into()),
            DialStep::QuietAnswer,
            DialStep::Flash,
            DialStep::Pulse,
            DialStep::Digits("*0#".into())
        ]
    );
    assert!(string.voice);
    assert!(dial("DL").redial);
    assert_eq!(parse("DT5;H"), [Ok(Command::Dial(dial("DT5;"))), basic(None, 'H', 0)]);
}

#[test]
fn what_stands_before_a_mistake_is_still_read_and_nothing_after_it() {
    assert_eq!(parse("E0)V0"), [basic(None, 'E', 0), Err(Malformed)]);
    assert_eq!(parse("+"), [Err(Malformed)]);
    assert_eq!(parse("&"), [Err(Malformed)]);
    assert_eq!(parse("+X?Y"), [Err(Malformed)]);
    assert_eq!(parse("S3.8=1"), [Err(Malformed)]);
    assert_eq!(parse("+1X"), [Err(Malformed)]);
    assert_eq!(parse("+ABCDEFGHIJKLMNOPQ"), [Err(Malformed)]);
}

#[test]
fn dial_strings_leave_out_what_is_no_digit_and_know_stored_numbers_and_reversal() {
    assert_eq!(
        Vec::from(dial("DT+44 (0)20-7946.0000xyz").steps).get(1),
        Some(&DialStep::Digits("+4402079460000".into()))
    );
    let string = dial("DS=3$R");
    assert_eq!(Vec::from(string.steps), [DialStep::Stored(3), DialStep::CardTone]);
    assert!(string.reverse);
    assert_eq!(Vec::from(dial("DS").steps), [DialStep::Stored(0)]);
}

#[test]
fn numbers_are_stored_and_asked_for() {
    assert_eq!(parse("&Z2=T555;"), [Ok(Command::StoreNumber { place: 2, number: "T555;".into() })]);
    assert_eq!(parse("&Z2?E1"), [Ok(Command::ReadNumber(2)), basic(None, 'E', 1)]);
    assert_eq!(parse("&Z1"), [Err(Malformed)]);
    assert_eq!(parse("S40.2?"), [Ok(Command::ReadRegisterBit { register: 40, bit: 2 })]);
}

#[test]
fn values_are_numbers_words_and_strings_with_escapes() {
    let plain = |text: &str| Value::Plain(text.into());
    assert_eq!(values("v34,1,,33600"), Ok(vec![plain("V34"), plain("1"), Value::Omitted, plain("33600")]));
    assert_eq!(values(""), Ok(vec![Value::Omitted]));
    assert_eq!(values("\"a,b\\22\\5C\",1"), Ok(vec![Value::Quoted("a,b\"\\".into()), plain("1")]));
    for text in ["\"", "\"a\"b", "1\"a\"", "\"\\2\"", "\"\\zz\""] {
        assert_eq!(values(text), Err(Malformed), "{text}");
    }
}

#[test]
fn a_line_is_read_in_one_pass() {
    // Anything slower than linear would not end within a lifetime.
    for unit in ["\\A", "+X;", "S1=2", "*AAAA1", "&Z?", "%CCID=1;", "$", " ", "+X=\";\";"] {
        let body = unit.repeat(200_000 / unit.len());
        assert!(commands(body.as_bytes()).count() <= body.len());
    }
}

proptest! {
    #[test]
    fn any_bytes_give_at_most_one_command_a_byte(body in proptest::collection::vec(any::<u8>(), 0..300)) {
        let read = commands(&body).count();
        prop_assert!(read <= body.len());
    }

    #[test]
    fn any_text_has_values_or_is_malformed(text in ".{0,100}") {
        if let Ok(values) = values(&text) {
            prop_assert!(!values.is_empty() && values.len() <= text.matches(',').count() + 1);
        }
    }

    #[test]
    fn commands_of_any_line_are_read_alike_in_either_case(body in "[ -~]{0,80}") {
        let lower = body.to_ascii_lowercase();
        let shape = |body: &str| commands(body.as_bytes()).map(|read| read.map(|read| std::mem::discriminant(&read))).collect::<Vec<_>>();
        prop_assert_eq!(shape(&lower), shape(&body.to_ascii_uppercase()));
    }
}
