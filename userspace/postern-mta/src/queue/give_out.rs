//! Mails that somebody else will deliver: for a node that is drained, and for those a peer adopted while this one was away.

use std::sync::Arc;

use postern_model::id::MailId;
use postern_model::queue::QueuedMail;

use super::Queue;

impl Queue {
    /// Takes every mail that is not being sent at this moment out of the queue; none of them is tried here any more. They
    /// are still in the spool: whoever takes one over notes it as done there, and what nobody takes comes back by
    /// [`Queue::admit`].
    pub fn give_out(&self) -> Vec<Arc<QueuedMail>> {
        self.with_schedule(|schedule| {
            let idle: Vec<MailId> = schedule.entries().filter(|(_, e)| !e.is_leased()).map(|(id, _)| *id).collect();
            idle.into_iter().filter_map(|id| schedule.remove(id)).collect()
        })
    }

    /// Forgets a mail that was adopted elsewhere, and notes that it is done here. False: it is being sent at this moment
    /// or is not in the queue.
    pub fn forget_adopted(&self, id: MailId) -> bool {
        let is_taken = self.with_schedule(|schedule| {
            let is_idle = schedule.get(id).is_some_and(|e| !e.is_leased());
            is_idle && schedule.remove(id).is_some()
        });
        if is_taken {
            self.note_done(id);
        }
        is_taken
    }
}
