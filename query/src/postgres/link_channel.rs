//! How does a connection listen, and what does it say?

use super::link::{Link, Ran, Standing, failed, nothing};
use super::statement::Prepared;
use crate::error::Result;
use crate::exchange::Notice;
use crate::syntax::{ChannelStatement, Forget, Statement};

impl Link {
    /// Runs a statement about channels; `None` for any other. It happens when the transaction
    /// commits.
    ///
    /// **Errors**: `22023` for a name or payload that cannot be, `53400` for too many.
    pub(super) fn run_channel(&self, statement: &Prepared) -> Result<Option<Ran>> {
        let said = &statement.item.parsed.statement;
        match said {
            Statement::Channel(_) | Statement::Forget(Forget::Channels | Forget::Channel(_))
                if self.standing() == Standing::Failed =>
            {
                return Err(failed());
            }
            Statement::Channel(ChannelStatement::Listen(name)) => {
                self.member.listen(&name.text).map_err(|error| error.at(name.position))?;
            }
            Statement::Channel(ChannelStatement::Notify { channel, payload }) => {
                let notified = self.member.notify(&channel.text, payload);
                notified.map_err(|error| error.at(channel.position))?;
            }
            Statement::Forget(Forget::Channels) => self.member.unlisten(None)?,
            Statement::Forget(Forget::Channel(name)) => self.member.unlisten(Some(&name.text))?,
            Statement::Forget(Forget::All) if self.transaction().is_none() => {
                // The rest of it is the session's.
                self.member.unlisten(None)?;
                self.member.unlock_all();
                return Ok(None);
            }
            _ => return Ok(None),
        }
        Ok(Some(Ran { outcome: nothing(), tag: statement.tag(), warning: None }))
    }

    /// Returns whether the client is to be told of notifications.
    pub fn listens(&self) -> bool {
        self.member.listens()
    }

    /// Takes the notifications that have come.
    ///
    /// **Errors**: `53400` when so many have waited that they were dropped: the client must find
    /// out anew what it has missed.
    pub fn heard(&self) -> Result<Vec<Notice>> {
        self.member.heard()
    }

    /// Waits until a notification has come.
    pub async fn noticed(&self) {
        self.member.noticed().await;
    }
}
