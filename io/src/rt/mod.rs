//! How does work run, wait and travel between cores?
//!
//! A process runs one executor per core; a task stays on the core that spawned it and its future
//! need not be `Send`. What travels between cores are owned values, through lanes and meshes.
//! Every task has a name; a task that panics stops its core, and `Running::join` says so.
//!
//! Which back end a task runs on is found through the thread: an executor's thread has one core,
//! the simulator's thread has the core of the task it is polling.
//!
//! | file | question |
//! | --- | --- |
//! | `current.rs` | On which core does this code run, and what belongs to that core? |
//! | `pulse.rs` | Why does a core that has work never sleep for long, and how does it wait for time? |
//! | `timers.rs` | What happens when time passes? |
//! | `queue.rs` | Which work goes first? |
//! | `task.rs` | How does a future run beside its spawner, and how does it end? |
//! | `pause.rs` | How does a task wait for time, or let others go first? |
//! | `lane.rs` | How do values flow from one core to another, in order and bounded? |
//! | `mesh.rs` | How does every core talk to every core? |
//! | `pool.rs` | Where does work go that would block a core? |
//! | `socket.rs` | How does a core talk to the network? |
//! | `start.rs` | How do the executors start, stop and report? |
//! | `stop.rs` | How does every core learn that it should stop? |
//! | `cpus.rs` | Which CPUs may this process use? |
//! | `uring.rs` | What does the real back end need from the machine? |

mod cpus;
mod current;
mod lane;
mod mesh;
mod pause;
mod pool;
mod pulse;
mod queue;
mod socket;
mod start;
mod stop;
mod task;
mod timers;
mod uring;

pub use futures::channel::oneshot::{Receiver as OneshotReceiver, Sender as OneshotSender};

pub use crate::options::RuntimeOptions;
pub use cpus::{cpu_count, cpu_list};
pub use current::{CoreId, core};
pub use lane::{Closed, LaneReceiver, LaneSender, TrySendError, lane};
pub use mesh::{Full, MeshEnd, mesh};
pub use pause::{Elapsed, Sleep, need_preempt, sleep, timeout, yield_if_needed, yield_now};
pub use pool::{Pool, blocking, thread};
pub use queue::Queue;
pub use socket::{TcpListener, TcpStream};
pub use start::{Running, start};
pub use stop::{ShutdownRequested, Stopper, request_shutdown, shutdown_requested};
pub use task::{Task, oneshot, spawn};

pub(crate) use current::{Back, Core, enter, try_current, with_current};
pub(crate) use stop::{Stop, watch};
pub(crate) use task::{Record, spawn_on};
pub(crate) use timers::Timers;
pub(crate) use uring::{memlock_bytes, uring_fault};
