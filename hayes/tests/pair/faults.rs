//! What goes wrong on the lines and in the network, and its end.

use std::time::Duration;

use hayes::caller::CallerId;
use hayes::emulator::dce::Role;
use hayes::emulator::exchange::fault::{Fault, Treatment};
use hayes::emulator::exchange::outside::{Far, OutsideCaller};

use super::world::{CALLEE, CALLER, NUMBERS, World};

/// Has the next call to the callee come out otherwise.
pub fn treat(world: &mut World) {
    if world.dice.one_in(8) {
        let caller = OutsideCaller {
            name: "stranger".to_owned(),
            id: CallerId::default(),
            rate: 9600,
            far: Far::Plain,
            role: Role::Originate,
        };
        let line = world.stations[CALLER].line;
        return inject(world, Fault::Glare { line, caller });
    }
    let delay = Duration::from_millis(world.dice.up_to(20_000));
    let treatment = world.dice.pick(&[
        Treatment::Busy,
        Treatment::Congestion,
        Treatment::Unknown,
        Treatment::NoAnswer,
        Treatment::DelayedRing(delay),
        Treatment::NoCallerId,
        Treatment::GarbledCallerId,
    ]);
    let number = Some(NUMBERS[CALLEE].to_owned());
    inject(world, Fault::Treat { number, treatment, calls: Some(1) });
}

/// Disturbs the call of a station, or its line.
pub fn befall(world: &mut World, victim: usize) {
    let line = world.stations[victim].line;
    let lasts = Duration::from_millis(world.dice.between(1, 30_000));
    let errors = u32::try_from(world.dice.between(1, 100_000)).expect("small");
    let for_good = world.dice.one_in(2);
    let rate = Some(4800).filter(|_| for_good);
    let fault = world.dice.pick(&[
        Fault::LoopDrop { line },
        Fault::CarrierLoss { line, lasts: Some(lasts).filter(|_| !for_good) },
        Fault::Retrain { line, lasts, rate },
        Fault::Noise { line, errors, lasts: Some(lasts).filter(|_| !for_good) },
        Fault::Dead { line },
    ]);
    inject(world, fault);
}

/// Ends what goes on until it is ended.
pub fn mend(world: &mut World) {
    for line in world.stations.each_ref().map(|station| station.line) {
        inject(world, Fault::Alive { line });
    }
    inject(world, Fault::Treat { number: None, treatment: Treatment::Normal, calls: None });
}

fn inject(world: &mut World, fault: Fault) {
    world.told(|_| format!("-- {fault:?}"));
    world.exchange.inject(fault, "chance", world.now);
}
