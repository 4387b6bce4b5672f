"""The move's state machine: examples of each path, and every order of events by property."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elastic_spawner.migration import (
    Cancelled,
    CheckSize,
    Discard,
    Discarded,
    DiscardFailed,
    Event,
    HubRestarted,
    Move,
    ResizedInPlace,
    Restored,
    RestoreFailed,
    Running,
    Save,
    Saved,
    SaveFailed,
    ServerGone,
    Size,
    SizeAccepted,
    SizeRefused,
    Start,
    Started,
    StartFailed,
    Step,
    Stop,
    StopFailed,
    Stopped,
    TimedOut,
    begin,
    progress,
    seconds_per_step,
    step,
)

from .world import NEW, OLD, Draw, World


def drive(*events, move: Move | None = None):
    """Return the state and the last actions after events, each given the serial of the action that it answers."""
    move, actions = begin(move or Move(id="m", old=OLD, new=NEW), now=100.0)
    for number, (kind, fields) in enumerate((e if isinstance(e, tuple) else (e, {})) for e in events):
        move, actions = step(move, kind(serial=move.serial, at=101.0 + number, **fields))
    return move, actions


TO_STOPPING = (SizeAccepted, (Saved, {"generation": 7, "kernels": ("k1", "k2")}))
TO_RESTORING = (*TO_STOPPING, Stopped, Started)


@pytest.mark.parametrize("policy", ["refuse", "accept"])
def test_what_was_asked_about_losses_is_asked_of_every_save(policy):
    """Also of the one that a restarted hub makes."""
    move, (save,) = drive(SizeAccepted, move=Move(id="m", old=OLD, new=NEW, on_loss=policy))
    assert isinstance(save, Save) and save.on_loss == policy
    again = Move.from_json(json.loads(json.dumps(move.to_json())))
    _, (save,) = step(again, HubRestarted(again.serial, 105.0, Running.BEFORE))
    assert isinstance(save, Save) and save.on_loss == policy


def test_a_state_from_before_there_was_a_choice_refuses_losses():
    move, _ = drive(SizeAccepted)
    written = move.to_json()
    del written["on_loss"]
    assert Move.from_json(written).on_loss == "refuse"


def test_begins_by_checking_the_size():
    move, actions = drive()
    assert move.step is Step.REQUESTED
    assert actions == (CheckSize(move.serial, NEW),)


def test_saves_before_it_stops():
    move, actions = drive(SizeAccepted)
    assert actions == (Save(move.serial, 60.0, "refuse"),)
    move, actions = drive(*TO_STOPPING)
    assert actions == (Stop(move.serial),)
    assert move.generation == 7


def test_a_good_move_ends_done():
    move, actions = drive(*TO_RESTORING, Restored)
    assert (move.step, actions, move.reason) == (Step.DONE, (), "")
    assert [m.step for m in move.story] == [
        Step.REQUESTED,
        Step.SAVING,
        Step.STOPPING,
        Step.STARTING,
        Step.RESTORING,
        Step.DONE,
    ]


@pytest.mark.parametrize("failure", [(SaveFailed, {"reason": "disk full"}), (TimedOut, {"reason": "disk full"})])
def test_a_failed_save_refuses_and_touches_nothing(failure):
    move, actions = drive(SizeAccepted, failure)
    assert (move.step, actions, move.reason) == (Step.REFUSED, (), "disk full")


def test_a_refused_size_is_told():
    move, _ = drive((SizeRefused, {"reason": "node is full"}))
    assert (move.step, move.reason) == (Step.REFUSED, "node is full")


def test_a_resize_in_place_is_done_at_once():
    assert drive(ResizedInPlace)[0].step is Step.DONE


def test_a_server_that_dies_while_being_saved_comes_back_with_the_new_size():
    move, actions = drive(SizeAccepted, (ServerGone, {"reason": "killed"}))
    assert actions == (Start(move.serial, NEW),)
    assert "killed" in move.notes[0]


def test_a_failed_start_is_discarded_and_the_old_size_started():
    move, actions = drive(*TO_STOPPING, Stopped, (StartFailed, {"reason": "too small"}))
    assert actions == (Discard(move.serial),)
    move, actions = drive(*TO_STOPPING, Stopped, (StartFailed, {"reason": "too small"}), Discarded)
    assert actions == (Start(move.serial, OLD),)
    move, _ = drive(*TO_STOPPING, Stopped, (StartFailed, {"reason": "too small"}), Discarded, Started, Restored)
    assert (move.step, move.reason) == (Step.UNDONE, "too small")


def test_a_failed_restore_goes_back_to_the_old_size():
    move, _ = drive(*TO_RESTORING, (RestoreFailed, {"reason": "MemoryError"}), Discarded, Started, Restored)
    assert (move.step, move.reason) == (Step.UNDONE, "MemoryError")


def test_a_slow_restore_is_let_go_on():
    move, _ = drive(*TO_RESTORING, TimedOut)
    assert (move.step, move.notes) == (Step.DONE, ("kernels are still being restored",))


def test_stopping_is_tried_by_force_before_it_is_given_up():
    move, actions = drive(*TO_STOPPING, StopFailed)
    assert actions == (Stop(move.serial, force=True),)
    move, actions = drive(*TO_STOPPING, StopFailed, (StopFailed, {"reason": "unkillable"}))
    assert (move.step, actions, move.reason) == (Step.UNDONE, (), "unkillable")


def test_a_server_that_can_be_neither_used_nor_removed_gets_no_second_one():
    failure = (StartFailed, {"reason": "hangs"})
    move, actions = drive(*TO_STOPPING, Stopped, failure, *[DiscardFailed] * 3)
    assert (move.step, actions) == (Step.FAILED, ())


def test_when_the_old_size_fails_twice_the_checkpoint_is_left_for_the_next_start():
    fails = (StartFailed, {"reason": "no room at all"})
    move, _ = drive(*TO_STOPPING, Stopped, fails, Discarded, fails, Discarded, fails, Discarded)
    assert (move.step, move.reason) == (Step.FAILED, "no room at all")


@pytest.mark.parametrize("running", [Running.NONE, Running.BEFORE])
@pytest.mark.parametrize("events", [(), (SizeAccepted,), TO_STOPPING])
def test_after_a_restart_before_the_stop_the_move_goes_on(events, running):
    move, _ = drive(*events)
    move, actions = step(move, HubRestarted(0, 200.0, running))
    if running is Running.BEFORE:
        assert isinstance(actions[0], CheckSize if not events else Save)
    else:
        assert move.step is (Step.FAILED if not events else Step.STARTING)


def test_a_save_after_a_restart_while_stopping_keeps_the_checkpoint_when_kernels_have_gone():
    move, _ = drive(*TO_STOPPING)
    move, actions = step(move, HubRestarted(0, 200.0, Running.BEFORE))
    assert actions == (Save(move.serial, 60.0, "refuse", unless_fewer_than=("k1", "k2"), generation=7),)


def test_a_server_found_half_started_is_discarded_and_started_again():
    move, _ = drive(*TO_STOPPING, Stopped)
    move, actions = step(move, HubRestarted(0, 200.0, Running.LAUNCHED))
    assert actions == (Discard(move.serial),)
    move, actions = step(move, Discarded(move.serial, 201.0))
    assert actions == (Start(move.serial, NEW),)


def test_cancelling_tells_whether_the_server_is_untouched():
    untouched, _ = step(drive(SizeAccepted)[0], Cancelled(0, 200.0, "stop"))
    assert untouched.interrupted_in.before_stop
    touched, _ = step(drive(*TO_STOPPING, Stopped)[0], Cancelled(0, 200.0, "stop"))
    assert not touched.interrupted_in.before_stop


def test_nothing_happens_after_the_end():
    move, _ = drive(SizeAccepted, SaveFailed)
    for event in (SizeAccepted(move.serial), HubRestarted(0, 1.0, Running.NONE), Cancelled(0, 1.0, "x")):
        assert step(move, event) == (move, ())


def test_a_stale_answer_changes_nothing():
    move, _ = drive(SizeAccepted)
    assert step(move, Saved(move.serial - 1, 5.0, generation=1)) == (move, ())


def test_progress_names_the_reason_and_the_time():
    move, _ = drive(SizeAccepted, (SaveFailed, {"reason": "disk full"}))
    line = progress(move)
    assert line.failed and line.done and line.progress == 100
    assert "disk full" in line.message
    assert line.seconds == 2.0


def test_seconds_per_step_add_up():
    move, _ = drive(*TO_RESTORING, Restored)
    seconds = seconds_per_step(move)
    assert list(seconds) == ["requested", "saving", "stopping", "starting", "restoring"]
    assert sum(seconds.values()) == progress(move).seconds


SIZES = st.builds(Size, st.none() | st.integers(1, 1 << 50), st.none() | st.floats(0.1, 512))


@given(old=SIZES, new=SIZES, decisions=st.lists(st.integers(0, 5), max_size=12))
def test_the_state_survives_json_at_every_step(old, new, decisions):
    """What is committed to the hub's database is read back as it was."""
    kinds = (SizeAccepted, Saved, Stopped, Started, StartFailed, Discarded)
    move, _ = begin(Move(id="m", old=old, new=new, on_busy="interrupt", deadline_s=3.5), 0.25)
    for choice in decisions:
        move, _ = step(move, kinds[choice](move.serial, 1.5))
        assert Move.from_json(json.loads(json.dumps(move.to_json()))) == move


def assert_safe(world: World, move: Move) -> None:
    story = "; ".join(world.story)
    if move.step is Step.DONE:
        assert (world.server, world.size) == ("launched", NEW), story
    elif move.step is Step.REFUSED:
        assert (world.server, world.size) == ("before", OLD) or world.server is None, story
    elif move.step is Step.UNDONE:
        assert world.size == OLD and world.server, story
    elif move.step is Step.FAILED and world.server is None:
        # Either a checkpoint was committed, or the server had ended by itself and there was nothing to commit.
        assert world.checkpoints or world.server_died, story
    elif move.step is Step.CANCELLED:
        assert move.interrupted_in is not None
        if world.server is None:
            assert world.checkpoints or world.server_died, story


class DyingWorld(World):
    """A world that remembers whether a server has ended by itself."""

    server_died = False
    stopping = False

    def server_ends(self) -> None:
        super().server_ends()
        if not self.stopping:
            self.server_died = True

    def take(self, action):
        self.stopping = True
        try:
            return super().take(action)
        finally:
            self.stopping = False


@settings(max_examples=1500, deadline=None)
@given(st.lists(st.integers(0, 11), max_size=60))
def test_every_order_of_events_ends_in_a_safe_state(decisions):
    """Failures, time-outs, duplicates, deaths, stops by the admin and restarts of the hub, at every step.

    The world itself raises when a server is stopped that was not saved, when there would be two, when the server of
    before is removed unsaved, or when a half-restored one is saved.
    """
    world = DyingWorld(Draw(decisions))
    move = world.run()
    assert move.step.final
    assert_safe(world, move)


@settings(max_examples=500, deadline=None)
@given(st.lists(st.sampled_from([0, 1, 7, 10]), max_size=40))
def test_restarts_of_the_hub_alone_never_keep_a_move_from_its_end(decisions):
    """However often the hub is killed, before an action or after it: the move is finished or undone, values kept."""
    world = DyingWorld(Draw(decisions))
    move = world.run()
    assert move.step in (Step.DONE, Step.UNDONE, Step.FAILED)
    assert not world.server_died
    assert world.checkpoints


EVENTS = st.sampled_from(
    [SizeAccepted, SizeRefused, ResizedInPlace, Saved, SaveFailed, ServerGone, Stopped, StopFailed, Started]
    + [StartFailed, Restored, RestoreFailed, Discarded, DiscardFailed, TimedOut]
)


@settings(max_examples=500)
@given(st.lists(st.tuples(EVENTS, st.integers(-1, 1)) | st.sampled_from(list(Running)), max_size=40))
def test_events_that_make_no_sense_break_nothing(events):
    """Any event at any step, right serial or wrong: the machine never orders two things at once."""
    move, actions = begin(Move(id="m", old=OLD, new=NEW), 0.0)
    committed = False
    for number, event in enumerate(events):
        if isinstance(event, Running):
            given_event: Event = HubRestarted(0, float(number), event)
        else:
            kind, shift = event
            given_event = kind(serial=move.serial + shift, at=float(number))
            committed = committed or (kind is Saved and shift == 0 and move.step is Step.SAVING)
        move, actions = step(move, given_event)
        assert len(actions) <= 1
        for action in actions:
            assert action.serial == move.serial
            if isinstance(action, Stop):
                assert committed
