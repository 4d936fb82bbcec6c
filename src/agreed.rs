//! What was agreed to be said: a file beside the test that holds all of it, and a test that shows where it is not so any
//! more. RINGUP_BLESS=1 takes what is said now for agreed.

use std::path::Path;

/// What is said now must be what the file has, whose path is given from the package's folder.
pub(crate) fn agreed(file: &str, told: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    if std::env::var_os("RINGUP_BLESS").is_some() {
        std::fs::write(&path, told).unwrap();
    }
    let agreed = std::fs::read_to_string(&path).unwrap_or_default();
    let differing = || differing(&agreed, told);
    assert!(told == agreed, "{file} has it otherwise (-); RINGUP_BLESS=1 agrees to this (+):\n{}", differing());
}

/// The lines that differ, and what stands around them.
fn differing(then: &str, now: &str) -> String {
    const AROUND: usize = 2;
    let (then, now): (Vec<&str>, Vec<&str>) = (then.lines().collect(), now.lines().collect());
    // How many lines the rests of both have in common, at most.
    let mut common = vec![vec![0; now.len() + 1]; then.len() + 1];
    for (i, line) in then.iter().enumerate().rev() {
        for (j, other) in now.iter().enumerate().rev() {
            common[i][j] =
                if line == other { common[i + 1][j + 1] + 1 } else { common[i + 1][j].max(common[i][j + 1]) };
        }
    }
    let (mut i, mut j, mut lines) = (0, 0, Vec::new());
    while i < then.len() || j < now.len() {
        let (old, new) = (then.get(i), now.get(j));
        let is_old = new.is_none() || (old.is_some() && common[i + 1][j] >= common[i][j + 1]);
        match (old, new) {
            (Some(old), Some(new)) if old == new => lines.push((' ', *old)),
            (Some(old), _) if is_old => lines.push(('-', *old)),
            (_, new) => lines.extend(new.map(|new| ('+', *new))),
        }
        let mark = lines.last().map_or(' ', |(mark, _line)| *mark);
        i += usize::from(mark != '+');
        j += usize::from(mark != '-');
    }
    let is_near = |at: usize| {
        let near = &lines[at.saturating_sub(AROUND)..lines.len().min(at + AROUND + 1)];
        near.iter().any(|(mark, _line)| *mark != ' ')
    };
    let near = lines.iter().enumerate().filter(|(at, _line)| is_near(*at));
    near.map(|(_at, (mark, line))| format!("{mark} {line}\n")).collect()
}
