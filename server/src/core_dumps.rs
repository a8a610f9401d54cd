//! No core dumps: one would put the broker's keys and every case in its memory on a disk, or into the hands of whatever
//! collects dumps.

use rustix::process::{
    DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit,
};

/// Forbids dumps of this process for good. Two ways, since each leaves a gap: the limit counts for files and not where the
/// kernel pipes dumps to a collector; the flag counts for both and keeps other processes of the user from reading our
/// memory, but does not outlive `exec`.
///
/// # Errors
/// What the system says, if it does not let a process forbid its own dumps.
pub fn forbid() -> std::io::Result<()> {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    if getrlimit(Resource::Core) != none {
        setrlimit(Resource::Core, none)?;
    }
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use rustix::process::dumpable_behavior;

    use super::*;

    #[test]
    fn a_process_that_forbade_dumps_makes_none() {
        forbid().unwrap();
        assert_eq!(dumpable_behavior(), Ok(DumpableBehavior::NotDumpable));
        let limit = getrlimit(Resource::Core);
        assert_eq!((limit.current, limit.maximum), (Some(0), Some(0)));
        forbid().unwrap();
    }
}
