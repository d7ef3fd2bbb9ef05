from __future__ import annotations

import json
from zlib import crc32

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from kcode.providers.limiter_state import (
    FORGET_S,
    LONGEST_LEASE_S,
    REST_S,
    WINDOW_S,
    AccountState,
    Ticket,
)


def everybody(owner: str) -> bool:
    return True


def ticket(name: str, tokens: int = 100, owner: str = "1:1") -> Ticket:
    return Ticket(name, owner, tokens, 0.0)


def ask(state: AccountState, name: str, now: float, tokens: int = 100, owner: str = "1:1"):
    state.tidy(now, everybody)
    return state.ask(ticket(name, tokens, owner), now)


def test_nothing_is_slowed_down_before_a_limit_is_known():
    state = AccountState()
    assert all(ask(state, str(n), 0.0, tokens=10**9).admitted for n in range(200))


def test_the_request_after_the_limit_waits_until_the_first_one_is_a_minute_old():
    state = AccountState()
    state.learn("rpm", 3, 0.0)
    assert all(ask(state, name, at).admitted for name, at in (("a", 0.0), ("b", 10.0), ("c", 20.0)))
    held = ask(state, "d", 30.0)
    assert not held.admitted
    assert held.why == "the account allows 3 requests a minute"
    assert 30.0 <= held.wait_s <= 32.0
    assert ask(state, "d", 30.0 + held.wait_s).admitted


def test_those_behind_in_the_queue_are_told_when_their_own_turn_comes():
    state = AccountState()
    state.learn("rpm", 1, 0.0)
    assert ask(state, "a", 0.0).admitted
    waits = [ask(state, name, 0.0).wait_s for name in ("b", "c", "d")]
    assert waits == [61.0, 122.0, 183.0]


def test_tokens_are_reserved_with_the_whole_answer_and_not_given_back():
    state = AccountState()
    state.learn("tpm", 1_000, 0.0)
    assert ask(state, "a", 0.0, tokens=700).admitted
    state.leave("a", 5.0, used_tokens=50)
    assert not ask(state, "b", 6.0, tokens=400).admitted
    assert ask(state, "b", 61.5, tokens=400).admitted


def test_a_request_that_used_more_than_it_reserved_counts_with_what_it_used():
    state = AccountState()
    state.learn("tpm", 1_000, 0.0)
    assert ask(state, "a", 0.0, tokens=100).admitted
    state.leave("a", 5.0, used_tokens=900)
    assert not ask(state, "b", 6.0, tokens=200).admitted


def test_a_request_larger_than_the_limit_goes_alone_instead_of_never():
    state = AccountState()
    state.learn("tpm", 1_000, 0.0)
    assert ask(state, "a", 0.0, tokens=10).admitted
    held = ask(state, "b", 1.0, tokens=5_000)
    assert not held.admitted
    assert ask(state, "b", 1.0 + held.wait_s, tokens=5_000).admitted


def test_the_lease_of_a_process_that_died_is_free_at_once():
    state = AccountState()
    state.learn("concurrency", 1, 0.0)
    assert ask(state, "a", 0.0, owner="7:7").admitted
    assert not ask(state, "b", 1.0).admitted
    state.tidy(2.0, lambda owner: owner != "7:7")
    assert state.ask(ticket("b"), 2.0).admitted


def test_a_place_in_the_queue_whose_process_died_or_was_stopped_is_given_away():
    state = AccountState()
    state.learn("concurrency", 1, 0.0)
    assert ask(state, "a", 0.0).admitted
    assert not ask(state, "stopped", 1.0, owner="7:7").admitted
    assert not ask(state, "b", 2.0).admitted
    state.leave("a", 3.0)
    assert not ask(state, "b", 5.0).admitted
    assert ask(state, "b", 12.0).admitted


def test_an_answer_that_just_ended_may_still_count_at_the_server():
    state = AccountState()
    state.learn("concurrency", 1, 0.0)
    assert ask(state, "a", 0.0).admitted
    state.leave("a", 5.0)
    assert not ask(state, "b", 5.0 + REST_S / 2).admitted
    assert ask(state, "b", 5.0 + REST_S).admitted


def test_a_lease_that_nobody_ended_is_free_after_the_longest_answer_there_can_be():
    state = AccountState()
    state.learn("concurrency", 1, LONGEST_LEASE_S)
    assert ask(state, "a", 0.0).admitted
    assert ask(state, "b", LONGEST_LEASE_S + 1).admitted


def test_a_limit_is_forgotten_after_a_day_and_the_last_word_counts():
    state = AccountState()
    state.learn("rpm", 3, 0.0)
    state.learn("rpm", 200, 10.0)
    assert state.limit("rpm") == 200
    state.tidy(10.0 + FORGET_S, everybody)
    assert state.limit("rpm") == 0


def test_what_the_catalogue_states_holds_until_the_server_says_otherwise():
    state = AccountState(stated={"rpm": 500})
    assert state.limit("rpm") == 500
    state.learn("rpm", 3, 0.0)
    assert state.limit("rpm") == 3


def test_what_others_used_up_is_respected_where_the_server_says_what_is_left():
    state = AccountState()
    state.say_left("rpm", 1, 20.0, 0.0)
    assert ask(state, "a", 1.0).admitted
    held = ask(state, "b", 2.0)
    assert held.wait_s == 18.0
    assert ask(state, "b", 20.0).admitted


def test_a_refusal_that_names_a_wait_holds_everybody_back():
    state = AccountState()
    state.pause(15.0, 0.0)
    assert ask(state, "a", 1.0).wait_s == 14.0
    state.pause(3_600.0, 0.0)
    assert ask(state, "a", 15.0).admitted


def test_after_a_refused_burst_requests_go_one_by_one_for_a_minute():
    state = AccountState()
    assert all(ask(state, str(n), 0.0).admitted for n in range(9))
    state.slow_down(0.5)
    held = [ask(state, name, 0.5) for name in "abc"]
    assert [(v.admitted, v.wait_s) for v in held] == [(False, 0.5), (False, 1.5), (False, 2.5)]
    assert "fewer requests at a time" in held[0].why
    assert ask(state, "a", 1.0).admitted
    assert not ask(state, "b", 1.5).admitted
    again = AccountState()
    again.load(json.loads(json.dumps(state.dump())))
    assert not ask(again, "b", 1.5).admitted
    assert ask(again, "b", 2.0).admitted
    assert all(ask(again, f"later {n}", 61.0).admitted for n in range(9))


def test_a_clock_that_was_set_back_does_not_hold_requests_back_for_long():
    state = AccountState()
    state.learn("rpm", 1, 1_000_000.0)
    state.say_left("rpm", 0, 60.0, 1_000_000.0)
    state.pause(60.0, 1_000_000.0)
    assert not ask(state, "a", 1_000_000.0).admitted
    state.learn("rpm", 1, 0.0)
    first = ask(state, "b", 0.0)
    assert first.admitted or first.wait_s <= WINDOW_S + 1


@pytest.mark.parametrize(
    "damage",
    [
        None,
        [],
        {},
        {"limits": 3},
        {"limits": {"rpm": {"value": "many", "learned": 0}}},
        {"limits": {"speed": {"value": 1, "learned": 0}}},
        {"sent": [{"id": "a"}]},
        {"running": [{"id": "a", "owner": "1:1", "since": float("inf"), "ended": 0.0}]},
        {"paused_until": None},
    ],
)
def test_a_damaged_state_is_refused_whole(damage):
    state = AccountState()
    stored = damage
    if isinstance(damage, dict) and damage:
        stored = AccountState().dump() | damage
    with pytest.raises(ValueError, match=r"."):
        state.load(stored)
    assert state.dump() == AccountState().dump()


class Accounts(RuleBasedStateMachine):
    """Processes that come, ask, answer, die; an account whose server counts exactly."""

    def __init__(self) -> None:
        super().__init__()
        self.state = AccountState()
        self.now = 1_000_000.0
        self.numbers = 0
        self.dead: set[str] = set()
        self.waiting: dict[str, Ticket] = {}
        self.running: dict[str, Ticket] = {}
        self.sent: list[tuple[float, int]] = []

    @initialize(
        rpm=st.sampled_from([0, 1, 3, 7]),
        tpm=st.sampled_from([0, 500, 2_000]),
        concurrency=st.sampled_from([0, 1, 2, 5]),
    )
    def limits(self, rpm: int, tpm: int, concurrency: int) -> None:
        self.rpm, self.tpm, self.concurrency = rpm, tpm, concurrency
        for kind, value in (("rpm", rpm), ("tpm", tpm), ("concurrency", concurrency)):
            self.state.learn(kind, value, self.now)  # type: ignore[arg-type]

    @rule(owner=st.integers(1, 4), tokens=st.integers(0, 700))
    def come(self, owner: int, tokens: int) -> None:
        name = f"{owner}:1"
        if name in self.dead:
            return
        self.numbers += 1
        fresh = Ticket(f"t{self.numbers}", name, tokens, 0.0)
        self.waiting[fresh.id] = fresh
        self.poll()

    @rule()
    def poll(self) -> None:
        """Everybody who waits asks, in an order that has nothing to do with their arrival."""
        for name in sorted(self.waiting, key=lambda n: crc32(f"{n} {self.numbers}".encode())):
            ticket = self.waiting[name]
            self.state.tidy(self.now, self.lives)
            if self.state.ask(ticket, self.now).admitted:
                self.admit(ticket)

    def admit(self, ticket: Ticket) -> None:
        del self.waiting[ticket.id]
        inside = [(at, n) for at, n in self.sent if at > self.now - WINDOW_S]
        assert not self.rpm or len(inside) < self.rpm
        alone = not inside and ticket.tokens > self.tpm
        assert not self.tpm or alone or sum(n for _, n in inside) + ticket.tokens <= self.tpm
        assert not self.concurrency or len(self.running) < self.concurrency
        self.sent.append((self.now, ticket.tokens))
        self.running[ticket.id] = ticket

    @rule(seconds=st.floats(0.01, 70.0))
    def time_passes(self, seconds: float) -> None:
        until = self.now + seconds
        while self.now < until:
            self.now = min(until, self.now + 5.0)
            self.poll()

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def an_answer_ends(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.running)))
        ticket = self.running.pop(name)
        self.state.leave(ticket.id, self.now, ticket.tokens)

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def somebody_gives_up(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.waiting)))
        self.state.leave(self.waiting.pop(name).id, self.now)

    @rule(owner=st.integers(1, 3))
    def a_process_is_killed(self, owner: int) -> None:
        name = f"{owner}:1"
        self.dead.add(name)
        self.waiting = {k: t for k, t in self.waiting.items() if t.owner != name}
        self.running = {k: t for k, t in self.running.items() if t.owner != name}

    @rule()
    def the_state_is_read_back_from_disk(self) -> None:
        stored = json.loads(json.dumps(self.state.dump()))
        self.state = AccountState()
        self.state.load(stored)

    def lives(self, owner: str) -> bool:
        return owner not in self.dead

    @invariant()
    def the_queue_is_in_order_of_arrival(self) -> None:
        numbers = [int(ticket.id[1:]) for ticket in self.state.queue]
        assert numbers == sorted(numbers)

    def teardown(self) -> None:
        """Nobody waits for ever: once the answers have ended, all are admitted in order of arrival."""
        for name in list(self.running):
            self.state.leave(name, self.now)
        self.running.clear()
        for _ in range(40 * (len(self.waiting) + 1)):
            if not self.waiting:
                break
            self.now += 5.0
            self.poll()
            for name in list(self.running):
                self.state.leave(name, self.now)
            self.running.clear()
        assert not self.waiting


TestAccounts = Accounts.TestCase
