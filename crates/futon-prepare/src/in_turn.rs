//! Functions that are called in turn: their name, their calls, and what they cannot have.

use calls::{Member, Sheet};
use futon_cli::ClientArgs;
use futon_common::{Error, Result};
use futon_functions::{Selection, name_in_turn};

use super::project::Project;

impl Project {
    /// The name of the functions that are called in turn.
    pub(crate) fn in_turn(&self) -> Option<String> {
        (!self.interleave.is_empty() && !self.alone).then(|| name_in_turn(&self.interleave))
    }

    /// The calls of functions that take turns.
    pub(crate) fn sheet_in_turn(&self, members: &[Selection], client: &ClientArgs) -> Result<Sheet> {
        let mut turns = Vec::new();
        for member in members {
            let function = member.name.clone();
            if self.must_ask(member, client)? {
                return Err(Error::usage(format!("--interleave: {function} has not been asked for its schema yet"))
                    .hint(format!("futon describe {function}")));
            }
            let sheet = self.sheet_of(member, client)?;
            let sheet = sheet.ok_or_else(|| Error::infra(format!("{function}: it has no calls")))?;
            turns.push(Member { function, sheet });
        }
        Sheet::in_turn(turns).map_err(|e| Error::usage(format!("--interleave: {e}")))
    }
}
