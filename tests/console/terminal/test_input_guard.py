from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual import events
from textual.message import Message
from textual.messages import TerminalSupportsSynchronizedOutput

from console.terminal.input_guard import MAX_PASTE, PARTIAL_WAIT_S, PASTE_WAIT_S, InputGuard, is_allowed
from console.terminal.reader import TerminalInput

REPLIES = {
    "OSC 11 colour, ST": b"\x1b]11;rgb:1010/1515/1b1b\x1b\\",
    "OSC 11 colour, BEL": b"\x1b]11;rgb:1010/1515/1b1b\x07",
    "OSC 52 clipboard": b"\x1b]52;c;UlVGVFhEWg==\x07",
    "OSC l title": b"\x1b]lRUFTX\x1b\\",
    "DCS version": b"\x1bP>|xterm(370) RUFTXD\x1b\\",
    "DCS request answered": b"\x1bP1$r0m\x1b\\",
    "DCS unique id": b"\x1bP!|00000000\x1b\\",
    "APC graphics": b"\x1b_Gi=31;OK\x1b\\",
    "PM": b"\x1b^RUFTX\x1b\\",
    "SOS": b"\x1bXRUFTX\x1b\\",
    "DA1": b"\x1b[?62;22;52c",
    "DA2": b"\x1b[>41;370;0c",
    "DSR": b"\x1b[0n",
    "cursor place": b"\x1b[24;80R",
    "extended cursor place": b"\x1b[?24;80;1R",
    "mode nobody asked for": b"\x1b[?1004;1$y",
    "ANSI mode": b"\x1b[4;2$y",
    "keyboard protocol": b"\x1b[?25u",
    "colour scheme": b"\x1b[?997;1n",
    "window size": b"\x1b[8;24;80t",
    "window position": b"\x1b[3;10;20t",
    "key release": b"\x1b[114;1:2u",
    "key with alternates": b"\x1b[114:82;2u",
    "key with several texts": b"\x1b[0;;82:85u",
    "arrow release": b"\x1b[1;1:3A",
    "no such character": b"\x1b[1114112u",
    "surrogate": b"\x1b[0;;55296u",
    "huge size": b"\x1b[48;99999;99999;1;1t",
    "zero size": b"\x1b[48;0;0;0;0t",
    "X10 mouse": b"\x1b[MRUF",
    "end of no paste": b"\x1b[201~",
    "too long": b"\x1b[" + b"1;" * 500 + b"R",
    "unknown": b"\x1b[12;34;56z",
    "unknown single shift": b"\x1bO!",
}

INPUT = {
    "letter": (b"R", ["R"]),
    "word": ("né漢".encode(), ["n", "é", "漢"]),
    "enter": (b"\r", ["enter"]),
    "up": (b"\x1b[A", ["up"]),
    "application up": (b"\x1bOA", ["up"]),
    "ctrl+right": (b"\x1b[1;5C", ["ctrl+right"]),
    "page down": (b"\x1b[6~", ["pagedown"]),
    "shift+tab": (b"\x1b[Z", ["shift+tab"]),
    "F1": (b"\x1bOP", ["f1"]),
    "F5": (b"\x1b[15~", ["f5"]),
    "F1 on the Linux console": (b"\x1b[[A", ["f1"]),
    "alt+R": (b"\x1bR", ["alt+shift+r"]),
    "alt+b": (b"\x1bb", ["ctrl+left"]),
    "shift+r": (b"\x1b[114;2u", ["R"]),
    "kitty r": (b"\x1b[114u", ["r"]),
    "kitty R": (b"\x1b[114;2;82u", ["R"]),
    "kitty ctrl+d": (b"\x1b[100;5u", ["ctrl+d"]),
    "kitty escape": (b"\x1b[27u", ["escape"]),
    "alt+x": (b"\x1bx", ["alt+x"]),
    "ctrl+d": (b"\x04", ["ctrl+d"]),
    "backspace": (b"\x7f", ["backspace"]),
}


class Terminal:
    """What the driver reads from, with a clock of its own."""

    def __init__(self) -> None:
        self.input = TerminalInput(escape_wait_s=0.1)
        self.guard = self.input.guard
        self.at = 100.0
        self.seen: list[Message] = []

    def send(self, *pieces: bytes) -> Terminal:
        for piece in pieces:
            self.at += 0.001
            self.seen += self.input.feed(piece, at=self.at)
        return self

    def wait(self, seconds: float) -> Terminal:
        self.at += seconds
        self.seen += self.input.tick(at=self.at)
        return self

    @property
    def keys(self) -> list[str]:
        return [event.key for event in self.seen if isinstance(event, events.Key)]

    @property
    def pastes(self) -> list[str]:
        return [event.text for event in self.seen if isinstance(event, events.Paste)]


@pytest.mark.parametrize("reply", REPLIES.values(), ids=REPLIES)
def test_a_reply_never_arrives_as_keys(reply: bytes) -> None:
    terminal = Terminal().send(reply)
    assert terminal.seen == []
    assert terminal.guard.dropped >= 1
    assert terminal.send(b"j").keys == ["j"], "what follows a reply is read again"


@pytest.mark.parametrize("reply", REPLIES.values(), ids=REPLIES)
def test_a_reply_in_pieces_never_arrives_as_keys(reply: bytes) -> None:
    for cut in range(1, len(reply)):
        assert Terminal().send(reply[:cut], reply[cut:]).seen == []
    assert Terminal().send(*(bytes((byte,)) for byte in reply)).seen == []


@pytest.mark.parametrize("reply", REPLIES.values(), ids=REPLIES)
def test_a_reply_whose_end_is_lost_is_dropped_in_silence_and_keys_work_again(reply: bytes) -> None:
    for cut in range(2, len(reply)):
        terminal = Terminal().send(reply[:cut]).wait(PARTIAL_WAIT_S)
        assert terminal.keys == []
        terminal.send(b"j")
        assert terminal.keys == ["j"]


@pytest.mark.parametrize(("sent", "keys"), INPUT.values(), ids=INPUT)
def test_what_the_operator_types_arrives(sent: bytes, keys: list[str]) -> None:
    assert Terminal().send(sent).keys == keys
    assert Terminal().send(*(bytes((byte,)) for byte in sent)).keys == keys


def test_escape_alone_arrives_after_its_delay_and_not_before() -> None:
    terminal = Terminal().send(b"\x1b").wait(0.05)
    assert terminal.keys == []
    assert terminal.guard.wait_s(at=terminal.at) == pytest.approx(0.05)
    assert terminal.wait(0.06).keys == ["escape"]
    assert terminal.guard.wait_s(at=terminal.at) is None


@pytest.mark.parametrize("broken", [b"\x1b[1;2", b"\x1b]11;rgb", b"\x1bP>|x", b"\x1b[?", b"\x1b_G"])
def test_a_sequence_broken_off_by_another_is_dropped_alone(broken: bytes) -> None:
    terminal = Terminal().send(broken + b"\x1b[A")
    assert terminal.keys == ["up"]
    assert terminal.guard.dropped == 1


def test_alt_and_a_key_does_not_swallow_the_next() -> None:
    assert Terminal().send(b"\x1bR\x1b[A").keys == ["alt+shift+r", "up"]
    assert Terminal().send(b"\x1bxj").keys == ["alt+x", "j"]


def test_enter_right_after_escape_does_not_swallow_the_escape() -> None:
    assert Terminal().send(b"\x1b\r").keys == ["escape", "enter"]


def test_escape_twice_is_escape_twice() -> None:
    assert Terminal().send(b"\x1b\x1b").wait(0.11).keys == ["escape", "escape"]


def test_what_textual_asks_for_reaches_it() -> None:
    seen = Terminal().send(b"\x1b[?2026;2$y").seen
    assert [type(message) for message in seen] == [TerminalSupportsSynchronizedOutput]
    assert is_allowed(b"\x1b[?2048;0$y")


def test_mouse_focus_and_size_reach_textual() -> None:
    seen = Terminal().send(b"\x1b[<0;5;6M\x1b[<0;5;6m\x1b[<64;5;6M\x1b[I\x1b[O\x1b[48;24;80;480;800t").seen
    assert [type(message) for message in seen] == [
        events.MouseDown,
        events.MouseUp,
        events.MouseScrollUp,
        events.AppFocus,
        events.AppBlur,
        events.Resize,
    ]


def test_a_paste_arrives_whole_and_as_nothing_else() -> None:
    text = "R reason\r\n\twith ünïcode 漢字 [31m"
    sent = b"\x1b[200~" + text.encode() + b"\x1b[201~"
    for cut in range(1, len(sent)):
        terminal = Terminal().send(sent[:cut], sent[cut:])
        assert (terminal.pastes, terminal.keys) == ([text], [])


def test_an_escape_sequence_inside_a_paste_cannot_leave_it() -> None:
    hostile = b"\x1b[200~a\x1b]52;c;eA==\x07b\x1b[AR\x1b[200~\x1bOPc\x1b\x1bU" + b"\x1b[" + b"1" * 99 + b"~F\x1b[201~"
    terminal = Terminal().send(hostile)
    assert terminal.keys == []
    assert len(terminal.pastes) == 1
    assert "\x1b" not in terminal.pastes[0]
    assert terminal.send(b"j").keys == ["j"]


def test_a_paste_whose_end_is_lost_ends_after_a_silence() -> None:
    terminal = Terminal().send(b"\x1b[200~text").wait(PASTE_WAIT_S - 0.1)
    assert terminal.pastes == []
    terminal.wait(0.2).send(b"j")
    assert (terminal.pastes, terminal.keys) == (["text"], ["j"])


def test_a_paste_is_bounded() -> None:
    guard = InputGuard()
    passed = b"".join(guard.feed(b"\x1b[200~" + b"x" * (2 * MAX_PASTE) + b"\x1b[201~", at=0))
    assert len(passed) == MAX_PASTE + len(b"\x1b[200~\x1b[201~")


def test_an_endless_string_is_read_without_being_kept() -> None:
    terminal = Terminal().send(b"\x1bP", *[b"RUFTX" * 10_000] * 10)
    assert terminal.keys == []
    assert len(terminal.guard._held) < 100
    assert terminal.wait(PARTIAL_WAIT_S).send(b"j").keys == ["j"]


SEQUENCES = st.one_of(
    st.sampled_from([*REPLIES.values(), *(sent for sent, _ in INPUT.values())]),
    st.binary(max_size=12),
    st.builds(
        lambda start, middle, end: start + middle + end,
        st.sampled_from([b"\x1b[", b"\x1b]", b"\x1bP", b"\x1bO", b"\x1b_", b"\x1b[<", b"\x1b[?", b"\x1b[200~"]),
        st.text("0123456789;:$>= RUFTXDu~\x1b", max_size=40).map(str.encode),
        st.sampled_from([b"", b"u", b"~", b"R", b"\x07", b"\x1b\\", b"\x1b[201~", b"t", b"M"]),
    ),
)


@given(st.lists(SEQUENCES, max_size=8))
def test_no_sequence_of_bytes_breaks_the_parser_or_blocks_the_keys(sent: list[bytes]) -> None:
    terminal = Terminal().send(*sent).wait(PARTIAL_WAIT_S).wait(PASTE_WAIT_S).wait(1)
    terminal.seen.clear()
    assert terminal.send(b"\x1b[200~\x1b[201~", b"j").keys[-1:] == ["j"]


@given(st.lists(st.sampled_from(list(REPLIES.values())), max_size=6), st.data())
def test_replies_cut_anywhere_between_keys_lose_no_key_and_make_none(replies: list[bytes], data: st.DataObject) -> None:
    sent = b"j".join([b"", *replies, b""])
    cuts = sorted(data.draw(st.lists(st.integers(0, len(sent)), max_size=6)))
    pieces = [sent[start:end] for start, end in zip([0, *cuts], [*cuts, len(sent)], strict=True)]
    assert Terminal().send(*pieces).keys == ["j"] * (len(replies) + 1)
