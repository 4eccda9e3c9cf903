//! The mailbox on real threads, with a real clock.
//!
//! The same file as the library's, included here with real locks; what all schedules must keep is
//! checked in `shuttle`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use mailbox::{Delivery, Look, Receiver, Sender, Terminal, deadline_after, mailbox};

#[path = "../src/mailbox.rs"]
mod mailbox;
#[path = "../src/sync.rs"]
mod sync;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    Text(u32),
    Cancelled,
    Lost,
}

impl Terminal for Event {
    fn is_terminal(&self) -> bool {
        !matches!(self, Self::Text(_))
    }

    fn lost() -> Self {
        Self::Lost
    }
}

fn pair(capacity: usize) -> (Sender, Receiver) {
    mailbox(capacity)
}

fn taken(look: Look) -> (Event, bool) {
    let Look::Taken(taken) = look else { panic!("{look:?}") };
    (taken.event, taken.resume)
}

#[test]
fn a_full_mailbox_pauses_its_sender_and_a_half_empty_one_resumes_it() {
    let (sender, mut receiver) = pair(4);
    for number in 0..3 {
        assert_eq!(sender.send(Event::Text(number)), Delivery::Room);
    }
    assert_eq!(sender.send(Event::Text(3)), Delivery::Full);
    assert_eq!(taken(receiver.try_take()), (Event::Text(0), false));
    assert_eq!(taken(receiver.try_take()), (Event::Text(1), true), "half empty");
    assert_eq!(taken(receiver.try_take()), (Event::Text(2), false), "told once");
}

#[test]
fn the_terminal_event_fits_into_a_full_mailbox_and_comes_once() {
    let (sender, mut receiver) = pair(1);
    assert_eq!(sender.send(Event::Text(0)), Delivery::Full);
    sender.finish(Event::Cancelled);
    sender.finish(Event::Lost);
    drop(sender);
    assert_eq!(taken(receiver.try_take()).0, Event::Text(0));
    assert_eq!(taken(receiver.try_take()).0, Event::Cancelled);
    assert!(matches!(receiver.try_take(), Look::Ended));
    assert!(matches!(receiver.take_until(None), Look::Ended));
}

#[test]
fn a_sender_that_goes_down_is_a_terminal_event() {
    let (sender, mut receiver) = pair(4);
    let reader = std::thread::spawn(move || taken(receiver.take_until(None)).0);
    drop(sender);
    assert_eq!(reader.join().expect("no panic"), Event::Lost);
}

#[test]
fn a_reader_that_waits_for_a_time_gets_nothing_or_the_event() {
    let (sender, mut receiver) = pair(4);
    let soon = deadline_after(Duration::from_millis(5));
    assert!(matches!(receiver.take_until(soon), Look::Empty));
    sender.send(Event::Text(0));
    assert_eq!(taken(receiver.take_until(soon)).0, Event::Text(0));
}

#[test]
fn a_waker_is_called_once_an_event_arrives() {
    struct Count(AtomicUsize);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let (sender, mut receiver) = pair(4);
    let count = Arc::new(Count(AtomicUsize::new(0)));
    let waker = Waker::from(Arc::clone(&count));
    let mut context = Context::from_waker(&waker);
    assert!(receiver.poll_take(&mut context).is_pending());
    assert!(receiver.poll_take(&mut context).is_pending());
    sender.send(Event::Text(0));
    sender.send(Event::Text(1));
    assert_eq!(count.0.load(Ordering::SeqCst), 1);
    assert!(receiver.poll_take(&mut context).is_ready());
}

#[test]
fn what_is_ready_is_read_in_order_in_every_way_and_then_ended() {
    let events = [Event::Text(0), Event::Text(1), Event::Cancelled];
    let mut receiver = Receiver::ready(events);
    let mut context = Context::from_waker(Waker::noop());
    assert_eq!(taken(receiver.try_take()), (events[0], false));
    assert_eq!(taken(receiver.take_until(None)), (events[1], false));
    let std::task::Poll::Ready(look) = receiver.poll_take(&mut context) else {
        panic!("it was ready")
    };
    assert_eq!(taken(look), (events[2], false));
    assert!(matches!(receiver.try_take(), Look::Ended));
    assert!(matches!(receiver.take_until(None), Look::Ended));
    assert!(receiver.poll_take(&mut context).is_ready());
}
