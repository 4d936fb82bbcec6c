//! How long the terminal waits for what, each with its source.

use std::time::Duration;

/// For the answer to a bare `AT`, which takes milliseconds; where the first after a reset is slow, the tries cover it.
pub const ASK_WAIT: Duration = Duration::from_secs(1);
/// How often a bare `AT` is sent before the modem counts as stuck: the first after power-up may be lost (SIM7070).
pub const ASK_TRIES: u8 = 3;
/// For the answer to a bare `AT` at a rate that is only tried; our choice.
pub const TRIAL_WAIT: Duration = Duration::from_millis(500);
/// How often it is sent there: the first lets a modem that adapts its rate hear the new one (V.250 6.2.10).
pub const TRIAL_TRIES: u8 = 2;
/// From the `OK` to `+IPR`, after which the modem goes to its new rate (V.250 6.2.10), until it is used; our choice.
pub const RATE_PAUSE: Duration = Duration::from_millis(500);
/// The silence that shows no late result code is to come once a modem has answered out of step; our choice.
pub const SETTLE: Duration = Duration::from_millis(200);
/// For the answer to `ATZ`, which restarts the modem; our choice, and asked again with `AT` after it.
pub const RESET_WAIT: Duration = Duration::from_secs(5);
/// For the answer to a command that only sets parameters; our choice, many times what it takes.
pub const SETTING_WAIT: Duration = Duration::from_secs(3);
/// For the whole answer to one question that identifies a modem; our choice: ten lines at 1200 bit/s.
pub const INQUIRY_WAIT: Duration = Duration::from_secs(2);
/// For all of those answers; what has not been answered by then is not asked.
pub const INQUIRY_LIMIT: Duration = Duration::from_secs(30);
/// For the whole answer to any other question; our choice: `AT+CLAC` names hundreds of commands.
pub const ANSWER_WAIT: Duration = Duration::from_secs(5);
/// The silence round `+++`: S12 defaults to 50 units of 20 ms, and a tenth more for clocks.
pub const ESCAPE_GUARD: Duration = Duration::from_millis(1100);
/// For the `OK` after `+++`: the guard time behind it must pass first.
pub const ESCAPE_WAIT: Duration = Duration::from_millis(2100);
/// For a result of dialling: S7 defaults to 60 s at most on common modems and is 90 s on some; then ours runs out.
pub const DIAL_LIMIT: Duration = Duration::from_secs(120);
/// For a result of answering: as S7 of [`DIAL_LIMIT`], without the time to dial and ring.
pub const ANSWER_LIMIT: Duration = Duration::from_secs(95);
/// For the result code after a dial was broken off by a character (V.250 5.6.1); as [`HOOK_WAIT`].
pub const ABORT_WAIT: Duration = Duration::from_secs(3);
/// For the answer to `ATH`; software modems take 1.8 s to let go of the line.
pub const HOOK_WAIT: Duration = Duration::from_secs(3);
/// How long DTR stays low at least: S25 defaults to 5 units of 10 ms (Hayes), four times that for slow samplers.
pub const DTR_HOLD: Duration = Duration::from_millis(200);
/// How long DTR stays low at most: carrier was seen to fall 0.1 s (USR) to 1.8 s (software modem) after it.
pub const DTR_LIMIT: Duration = Duration::from_secs(2);
/// From DTR rising to the first command, for modems that reset on DTR; our choice, and the command is tried again.
pub const DTR_RECOVERY: Duration = Duration::from_millis(100);
/// How long after a ring its call counts as alerting: Hayes modems clear S1 8 s after the last ring.
pub const RING_SPAN: Duration = Duration::from_secs(8);
/// A modem that answers nothing at all is found silent within this: the sum of what is tried, and a bit.
pub const SILENT_LIMIT: Duration = Duration::from_secs(25);
