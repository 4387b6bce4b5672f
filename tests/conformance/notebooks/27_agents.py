# %%
from __future__ import annotations
import enum, heapq, random, itertools, statistics, abc
from dataclasses import dataclass, field, asdict, replace
from typing import Protocol, ClassVar
# %%
class State(enum.Enum):
    WAIT = "wait"
    MOVE = "move"
    DONE = "done"
class Flags(enum.Flag):
    NONE = 0
    FAST = enum.auto()
    LOUD = enum.auto()
# %%
@dataclass(order=True)
class Event:
    at: float
    seq: int
    agent: "Agent" = field(compare=False)
    kind: str = field(compare=False, default="tick")
@dataclass
class Agent:
    count: ClassVar[int] = 0
    name: str
    pos: list[float] = field(default_factory=lambda: [0.0, 0.0])
    state: State = State.WAIT
    flags: Flags = Flags.NONE
    friends: list["Agent"] = field(default_factory=list, repr=False)
    log: list[tuple] = field(default_factory=list, repr=False)
    def __post_init__(self):
        type(self).count += 1
    @property
    def dist(self):
        return sum(v * v for v in self.pos) ** 0.5
class Policy(abc.ABC):
    @abc.abstractmethod
    def act(self, agent, world): ...
class Wander(Policy):
    def __init__(self, rng):
        self.rng = rng
    def act(self, agent, world):
        agent.pos[0] += self.rng.gauss(0, 1)
        agent.pos[1] += self.rng.gauss(0, 1)
        agent.state = State.DONE if agent.dist > 12 else State.MOVE
# %%
class World:
    def __init__(self, n, seed):
        self.rng = random.Random(seed)
        self.agents = [Agent(f"a{i}") for i in range(n)]
        for a in self.agents:
            a.friends = self.rng.sample([b for b in self.agents if b is not a], 3)
        self.queue, self.seq, self.now = [], itertools.count(), 0.0
        self.policy = Wander(self.rng)
        for a in self.agents:
            self.schedule(a, self.rng.random())
    def schedule(self, agent, delay):
        heapq.heappush(self.queue, Event(self.now + delay, next(self.seq), agent))
    def run(self):
        while self.queue:
            e = heapq.heappop(self.queue)
            self.now = e.at
            self.policy.act(e.agent, self)
            e.agent.log.append((round(self.now, 6), e.agent.state))
            if e.agent.state is not State.DONE:
                self.schedule(e.agent, self.rng.expovariate(1.0))
            yield e
world = World(300, 42)
# %%
steps = world.run()
seen = [next(steps) for _ in range(2000)]
# %%
movers = [a for a in world.agents if a.state is State.MOVE]
leader = max(world.agents, key=lambda a: a.dist)
leader.flags |= Flags.FAST | Flags.LOUD
# %%
by_state = {s: [a for a in world.agents if a.state is s] for s in State}
ghost = replace(leader, name="ghost", log=[])
# %%
stats = {"mean": statistics.mean(a.dist for a in world.agents), "now": world.now}
snap = asdict(Event(0.0, 0, None))
#= m: stats["mean"]
#= nxt: (world.queue[0].at, world.queue[0].agent.name)
#= c: Agent.count
#? statistics.mean(a.dist for a in world.agents) == $m$ and Agent.count == $c$
#? (lambda e: (e.at, e.agent.name))(next(steps)) == $nxt$
#? leader in world.agents and leader.flags == Flags.FAST | Flags.LOUD and ghost.friends is leader.friends
#? all(f in world.agents for f in leader.friends) and world.policy.rng is world.rng
#? type(leader) is Agent and by_state[State.DONE] == [a for a in by_state[State.DONE] if a.state is State.DONE]
#? isinstance(world.policy, Policy) and snap["kind"] == "tick" and seen[0].agent in world.agents
