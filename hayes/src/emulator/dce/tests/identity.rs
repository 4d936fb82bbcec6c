//! What modems of several kinds say of themselves, byte for byte as the real ones.

use super::Bench;

/// Conexant RD02-D400 as its user had set it up.
const CONEXANT: &str = r#"
connect = "{dte}"
answers = { I = ["56000"] }
registers = { 6 = 3, 7 = 90, 8 = 1, 11 = 85, 40 = 104, 41 = 195 }
"#;

#[test]
fn a_conexant_lists_its_settings_as_the_real_one() {
    let listing = concat!(
        "\r\n",
        "ACTIVE PROFILE:\r\n",
        "B1 E0 L2 M1 N0 Q0 T V1 W0 X4 Y0 &C1 &D2 &G0 &J0 &K3 &Q5 &R1 &S0 &T5 &X0 &Y0\r\n",
        "S00:000 S01:000 S02:043 S03:013 S04:010 S05:008 S06:003 S07:090 S08:001 S09:006\r\n",
        "S10:014 S11:085 S12:050 S18:000 S25:005 S26:001 S36:007 S38:020 S46:138 S48:007\r\n",
        "S95:000 \r\n",
        "\r\n",
        "STORED PROFILE 0:\r\n",
        "B1 E0 L2 M1 N0 Q0 T V1 W0 X4 Y0 &C1 &D2 &G0 &J0 &K3 &Q5 &R1 &S0 &T5 &X0 \r\n",
        "S00:000 S02:043 S06:003 S07:090 S08:001 S09:006 S10:014 S11:085 S12:050 S18:000\r\n",
        "S36:007 S40:104 S41:195 S46:138 S95:000 \r\n",
    );
    let mut bench = Bench::of_kind(CONEXANT);
    bench.converse(&[
        ("I0", "\r\n56000\r\n\r\nOK\r\n"),
        ("-SCID=1;+VCID=1;-STE=3", "\r\nOK\r\n"),
        ("&W", "\r\nOK\r\n"),
    ]);
    let shown = bench.typed("AT&V\r");
    assert_eq!(shown.get(..listing.len()), Some(listing));
}

#[test]
fn a_us_robotics_shows_its_settings_in_short_as_the_real_one() {
    let mut bench = Bench::of_kind(
        "ring = \"lettered\"\nanswers = { I = [\"5601\"], I4 = [\"U.S. Robotics 56K Message Settings...\", \"old\"] }",
    );
    bench.typed("ATE1L1P\r");
    bench.screen.clear();
    let echo = "ATI4\r";
    let settings = "\r\nU.S. Robotics 56K Message Settings...\r\n\r\n   B0  E1  F1  L1  M1  Q0  V1  X4  Y0\r\n   \
                    BAUD=115200  PARITY=N  WORDLEN=8\r\n   DIAL=PULSE   ON HOOK\r\n\r\nOK\r\n";
    assert_eq!(bench.typed("ATI4\r"), format!("{echo}{settings}"));
    assert_eq!(bench.typed("ATI0\r"), "ATI0\r\r\n5601\r\n\r\nOK\r\n");
}

#[test]
fn spandsp_answers_as_the_real_one() {
    let mut bench = Bench::of_kind(
        "answers = { I = [\"spandsp\"], I3 = [\"www.soft-switch.org\"], \"+GMI\" = [\"www.soft-switch.org\"], \
         \"+FCLASS=?\" = [\"0,1,1.0\"] }",
    );
    bench.typed("ATE1\r");
    for (typed, shown) in [
        ("ATI\r", "ATI\r\r\nspandsp\r\n\r\nOK\r\n"),
        ("ATI3\r", "ATI3\r\r\nwww.soft-switch.org\r\n\r\nOK\r\n"),
        ("AT+GMI?\r", "AT+GMI?\r\r\nwww.soft-switch.org\r\n\r\nOK\r\n"),
        ("AT+FCLASS=?\r", "AT+FCLASS=?\r\r\n0,1,1.0\r\n\r\nOK\r\n"),
        ("AT&F&C1&D2X4V1\r", "AT&F&C1&D2X4V1\r\r\nOK\r\n"),
    ] {
        assert_eq!(bench.typed(typed), shown);
    }
}

#[test]
fn texts_of_several_lines_and_letters_of_one_maker_are_answered() {
    let mut bench = Bench::of_kind(
        "answers = { J = [\"E336RVP, 00, Ver 8.00, A75F, RCV336ACF/SP\"], I4 = [\"F-1128V/R6 (GM) V6.18.3\", \
         \"MODEM CHIP : ROCKWELL RC288DPi\", \"FAX CLASS 1 AND CLASS 2\"], \
         \"+FDCC=?\" = [\"(0,1),(0-5),(0-3),(0-2),(0),(0),(0),(0-7)\"], I2 = [\"TEST OK\"] }",
    );
    bench.converse(&[
        ("J", "\r\nE336RVP, 00, Ver 8.00, A75F, RCV336ACF/SP\r\n\r\nOK\r\n"),
        (
            "I4",
            "\r\nF-1128V/R6 (GM) V6.18.3\r\nMODEM CHIP : ROCKWELL RC288DPi\r\nFAX CLASS 1 AND CLASS 2\r\n\r\nOK\r\n",
        ),
        ("+FDCC=?", "\r\n(0,1),(0-5),(0-3),(0-2),(0),(0),(0),(0-7)\r\n\r\nOK\r\n"),
        ("I2", "\r\nTEST OK\r\n\r\nOK\r\n"),
        ("I5", "\r\nOK\r\n"),
    ]);
}

#[test]
fn the_country_is_told_as_by_a_us_robotics_until_another_is_set() {
    let mut bench = Bench::of_kind("answers = { \"+GCI?\" = [\"+GCI: 3D\"], \"+GCI=?\" = [\"+GCI: (B4,3D,42)\"] }");
    bench.converse(&[
        ("+GCI?", "\r\n+GCI: 3D\r\n\r\nOK\r\n"),
        ("+GCI=?", "\r\n+GCI: (B4,3D,42)\r\n\r\nOK\r\n"),
        ("+GCI=42", "\r\nOK\r\n"),
        ("+GCI?", "\r\n+GCI: 42\r\n\r\nOK\r\n"),
    ]);
}

#[test]
fn a_fax_modem_answers_what_fax_programs_ask() {
    let mut bench = Bench::of_kind(
        "answers = { \"+FCLASS=?\" = [\"0,1,2.0,8\"], \"+GMI\" = [\"ACME\"], \"+GMM\" = [\"M1\"], \"+GMR\" = [\"7\"] }",
    );
    bench.converse(&[
        ("+FMI?", "\r\nACME\r\n\r\nOK\r\n"),
        ("+FMM?", "\r\nM1\r\n\r\nOK\r\n"),
        ("+FMR?", "\r\n7\r\n\r\nOK\r\n"),
        ("+FAA=?", "\r\n(0,1)\r\n\r\nOK\r\n"),
        ("+FAA=1;+FAA?", "\r\n1\r\n\r\nOK\r\n"),
        // What efax asks in class 2 (T.32 8.5.1).
        ("+FCR=1;+FCR?", "\r\n1\r\n\r\nOK\r\n"),
        ("+FDCC=?", "\r\n(0,1),(0-5),(0-2),(0-2),(0,1),(0-2),(0,1),(0-7)\r\n\r\nOK\r\n"),
        ("+FDCC=1,3,0,2,0,0,0,0;+FDCC?", "\r\n1,3,0,2,0,0,0,0\r\n\r\nOK\r\n"),
        ("+FDCC=2", "\r\nERROR\r\n"),
        ("+FLID=\"+1 555 0102\";+FLID?", "\r\n\"+1 555 0102\"\r\n\r\nOK\r\n"),
        ("+FLID=\"123456789012345678901\"", "\r\nERROR\r\n"),
        ("+FCLASS=2.0;+FCLASS?", "\r\n2.0\r\n\r\nOK\r\n"),
        ("+FCLASS=2", "\r\nERROR\r\n"),
        ("+FCLASS=8;+VLS?", "\r\n0\r\n\r\nOK\r\n"),
        ("+VLS=1", "\r\nOK\r\n"),
        ("+VLS?", "\r\n1\r\n\r\nOK\r\n"),
        ("+VLS=0", "\r\nOK\r\n"),
    ]);
    assert_eq!(Bench::answer_to("+FMI?"), "\r\nERROR\r\n", "a data modem knows no fax commands");
}
