//! What is told of the caller: the number, as whom it is told may see it, and the place, to those who help.

use crate::call::{Call, Hop};
use crate::{Calling, Extension, Kind, PlaceName, Plan, Shows};

pub(crate) fn kind(plan: &Plan, place: &PlaceName) -> Kind {
    plan.places.get(place).map_or(Kind::Outside, |place| place.kind)
}

/// The extension that calls.
fn caller(call: &Call) -> Option<&Extension> {
    let said = call.setup.calling.as_ref().map(|calling| calling.number.as_str());
    let index = call.plan.caller(&call.place, said)?;
    call.plan.extensions.get(index)
}

/// The caller's number as the place may see it.
pub(crate) fn shown(call: &Call, hop: &Hop) -> Option<Calling> {
    let plan = &call.plan;
    let came = call.setup.calling.clone();
    let from = plan.places.get(&call.place)?;
    let hidden = came.as_ref().is_some_and(|calling| calling.hidden) && !call.emergency;
    if from.kind == Kind::Outside {
        return came.map(|calling| Calling { hidden, ..calling });
    }
    let with = |number: &String| Calling {
        number: number.clone(),
        hidden,
    };
    let caller = caller(call);
    if kind(plan, &hop.place) == Kind::Inside && !call.emergency {
        return caller.map(|caller| with(&caller.number)).or(came);
    }
    let said = came
        .as_ref()
        .map(|calling| &calling.number)
        .filter(|said| match from.shows {
            Shows::Own => from.own_numbers.iter().any(|own| said.starts_with(own.as_str())),
            Shows::Any => true,
            Shows::Fixed => false,
        });
    let for_help = Some(&plan.emergency.number).filter(|_| call.may_use_all());
    let of_target = plan
        .places
        .get(&hop.place)
        .and_then(|place| place.number.as_ref());
    caller
        .and_then(|caller| caller.public.as_ref())
        .or(said)
        .or(from.number.as_ref())
        .or(for_help)
        .or(of_target)
        .map(with)
}

/// Where who calls for help is.
pub(crate) fn whereabouts(call: &Call) -> Option<String> {
    if !call.may_use_all() {
        return None;
    }
    let location = caller(call).and_then(|caller| caller.location.clone());
    Some(location.unwrap_or_else(|| call.plan.emergency.location.clone()))
}
