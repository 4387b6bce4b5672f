"""A world in which moves go wrong: one user's servers and checkpoints, and a driver that can be killed anywhere.

It stands for the real driver (``elastic_spawner.hub.moves``), whose own tests run on a real hub.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from elastic_spawner.migration import (
    Action,
    AwaitRestore,
    Cancelled,
    CheckSize,
    Discard,
    Discarded,
    DiscardFailed,
    Event,
    HubRestarted,
    Move,
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
    Stop,
    StopFailed,
    Stopped,
    TimedOut,
    begin,
    step,
)

OLD, NEW = Size(1 << 30, 1.0), Size(2 << 30, 2.0)


class Draw:
    """Where the world's decisions come from."""

    def __init__(self, decisions: list[int]) -> None:
        self.decisions = list(decisions)

    def pick(self, options: int) -> int:
        """Return one of ``options`` numbers; 0, by convention that all goes well, when the decisions are used up."""
        return self.decisions.pop(0) % options if self.decisions else 0


@dataclass
class World:
    draw: Draw
    server: str | None = "before"
    """Which server runs: ``before`` or ``launched``."""
    size: Size = OLD
    unsaved: bool = True
    """The server of before holds something that no committed checkpoint has."""
    stop_begun: bool = False
    restored: bool = True
    checkpoints: int = 0
    database: dict[str, object] = field(default_factory=dict)
    sent: list[Event] = field(default_factory=list)
    now: float = 0.0
    story: list[str] = field(default_factory=list)

    # -- the driver ----------------------------------------------------------------------------------------------------

    def run(self, max_events: int = 300) -> Move:
        move, actions = begin(Move(id="m", old=OLD, new=NEW), self.now)
        self.commit(move)
        for _ in range(max_events):
            if move.step.final:
                return move
            assert len(actions) <= 1
            event = self.next_event(move, actions)
            if event is None:
                return move
            before = move
            move, actions = step(move, event)
            self.commit(move)
            self.story.append(f"{type(event).__name__} -> {move.step.value} {[type(a).__name__ for a in actions]}")
            assert actions or move.step.final or move == before
            if not actions and not move.step.final:  # stale: the answer to the action under way is still to come
                actions = self.under_way
        raise AssertionError("the move does not come to an end: " + "; ".join(self.story[-20:]))

    def commit(self, move: Move) -> None:
        self.database = move.to_json()
        assert Move.from_json(self.database) == move

    def next_event(self, move: Move, actions: tuple[Action, ...]) -> Event | None:
        self.now += 1.0
        self.under_way = actions
        kind = self.draw.pick(12)
        if kind == 11 and self.sent:  # an event comes a second time
            return self.sent[self.draw.pick(len(self.sent))]
        if kind == 10:  # the hub is killed before the action
            return self.restart_hub()
        if kind == 9 and self.server:  # the server ends by itself before the action
            self.server_ends()
        if kind == 8:
            return Cancelled(0, self.now, "the admin stops the server")
        assert actions, "nothing is under way, and the move is not at an end"
        event = self.take(actions[0])
        if kind == 7:  # the hub is killed after the action, before its answer is committed
            return self.restart_hub()
        if kind == 6:
            event = TimedOut(actions[0].serial, self.now)
        self.sent.append(event)
        return event

    def restart_hub(self) -> Event:
        running = {None: Running.NONE, "before": Running.BEFORE, "launched": Running.LAUNCHED}[self.server]
        if self.draw.pick(2) and self.server == "before" and not self.stop_begun:
            self.unsaved = True  # the user ran another cell while the hub was down
        return HubRestarted(0, self.now, running)

    def server_ends(self) -> None:
        self.server = None
        self.stop_begun = False

    # -- what the actions do -------------------------------------------------------------------------------------------

    def take(self, action: Action) -> Event:
        serial, fate = action.serial, self.draw.pick(3)
        gone = ServerGone(serial, self.now)
        match action:
            case CheckSize():
                if self.server is None:
                    return gone
                return SizeRefused(serial, self.now, "no") if fate == 2 else SizeAccepted(serial, self.now)
            case Save():
                if self.server is None:
                    return gone
                assert self.server == "before", "a server that was not yet restored must not be saved"
                if fate == 2:
                    return SaveFailed(serial, self.now, "disk full")
                if not (self.stop_begun and action.unless_fewer_than):
                    self.checkpoints += 1
                    self.unsaved = False
                return Saved(serial, self.now, generation=self.checkpoints, kernels=("k",))
            case Stop():
                if self.server is not None:
                    assert self.server == "before"
                    assert self.checkpoints and not self.unsaved, "stopped before a checkpoint was committed"
                    self.stop_begun = True
                    if fate == 2:
                        return StopFailed(serial, self.now, "still there")
                    self.server_ends()
                return Stopped(serial, self.now)
            case Start(size=size):
                assert self.server is None, "two servers"
                if fate == 2:
                    return StartFailed(serial, self.now, "no room")
                self.server, self.size, self.restored = "launched", size, False
                return StartFailed(serial, self.now, "does not answer") if fate == 1 else Started(serial, self.now)
            case AwaitRestore():
                if self.server is None:
                    return gone
                self.restored = fate != 2
                return Restored(serial, self.now) if self.restored else RestoreFailed(serial, self.now, "too small")
            case Discard():
                assert self.server != "before", "the server of before was removed unsaved"
                if fate == 2 and self.server:
                    return DiscardFailed(serial, self.now, "still there")
                self.server_ends()
                return Discarded(serial, self.now)
        raise AssertionError(f"unknown action {action}")
