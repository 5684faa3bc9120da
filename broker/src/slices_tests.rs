use std::cell::Cell;

use tokio::task::LocalSet;

use super::*;

/// Runs on one thread, as the broker does.
fn on_one_thread(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, test);
}

/// Takes up the thread for so long.
fn work(time: Duration) {
    let began = thread_time();
    while thread_time() - began < time {
        std::hint::spin_loop();
    }
}

#[test]
fn who_asks_for_much_delays_another_by_the_turn_at_hand_alone() {
    on_one_thread(async {
        let slices = Slices::default();
        let done = Rc::new(Cell::new(0));
        for _ in 0..100 {
            let (slices, done) = (slices.clone(), Rc::clone(&done));
            tokio::task::spawn_local(async move {
                let _turn = slices.next(1).await;
                work(Duration::from_micros(200));
                done.set(done.get() + 1);
            });
        }
        // He comes last, and has asked before any of them had a slice.
        let before = {
            let slices = slices.clone();
            let done = Rc::clone(&done);
            tokio::task::spawn_local(async move {
                let _turn = slices.next(2).await;
                done.get()
            })
        };
        assert!(before.await.unwrap() <= 1);
        // Later he comes between two of them.
        while done.get() < 10 {
            tokio::task::yield_now().await;
        }
        let before = done.get();
        drop(slices.next(2).await);
        assert!(done.get() <= before + 2, "{} after {before}", done.get());
        while done.get() < 100 {
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn users_who_always_want_the_thread_have_the_same_time_of_it_however_much_they_take_at_once() {
    on_one_thread(async {
        let slices = Slices::default();
        let over = Rc::new(Cell::new(false));
        let users = [(1, 50_u64, 4), (2, 400, 1), (3, 100, 16)];
        let had = users.map(|(uid, micros, tasks)| {
            let had = Rc::new(Cell::new(Duration::ZERO));
            for _ in 0..tasks {
                let (slices, over, had) = (slices.clone(), Rc::clone(&over), Rc::clone(&had));
                tokio::task::spawn_local(async move {
                    while !over.get() {
                        let _turn = slices.next(uid).await;
                        let began = thread_time();
                        work(Duration::from_micros(micros));
                        had.set(had.get() + (thread_time() - began));
                    }
                });
            }
            had
        });
        while had.iter().map(|had| had.get()).sum::<Duration>() < Duration::from_millis(200) {
            tokio::task::yield_now().await;
        }
        over.set(true);
        let [least, most] = [
            had.iter().map(|had| had.get()).min().unwrap(),
            had.iter().map(|had| had.get()).max().unwrap(),
        ];
        // None is ahead by more than a few of the longest slices.
        assert!(most - least < Duration::from_millis(5), "{had:?}");
    });
}

#[test]
fn time_that_a_user_did_not_want_is_not_saved_up() {
    on_one_thread(async {
        let slices = Slices::default();
        drop(slices.next(2).await);
        for _ in 0..50 {
            let _turn = slices.next(1).await;
            work(Duration::from_micros(200));
        }
        // Both want it from now on: the one who was away is not served ten milliseconds at a stretch.
        let order = Rc::new(RefCell::new(Vec::new()));
        let tasks = [1, 2].map(|uid| {
            let (slices, order) = (slices.clone(), Rc::clone(&order));
            tokio::task::spawn_local(async move {
                for _ in 0..20 {
                    let _turn = slices.next(uid).await;
                    work(Duration::from_micros(200));
                    order.borrow_mut().push(uid);
                }
            })
        });
        for task in tasks {
            task.await.unwrap();
        }
        let longest = order.borrow().chunk_by(|a, b| a == b).map(<[_]>::len).max();
        assert!(longest.unwrap() <= 4, "{order:?}");
    });
}

#[test]
fn who_leaves_while_he_waits_or_has_just_been_given_his_turn_holds_up_nobody() {
    on_one_thread(async {
        let slices = Slices::default();
        for leaves_after in 0..6 {
            let leaving: Vec<_> = (0..5)
                .map(|uid| {
                    let slices = slices.clone();
                    tokio::task::spawn_local(async move { drop(slices.next(uid).await) })
                })
                .collect();
            for _ in 0..leaves_after {
                tokio::task::yield_now().await;
            }
            for task in leaving {
                task.abort();
            }
            drop(slices.next(9).await);
        }
        assert!(!slices.state.borrow().taken && slices.state.borrow().waiting.is_empty());
    });
}

#[test]
fn users_who_are_gone_are_forgotten() {
    on_one_thread(async {
        let slices = Slices::default();
        for uid in 0..5000 {
            let _turn = slices.next(uid).await;
        }
        assert!(slices.state.borrow().had.len() <= MANY + 1);
    });
}
