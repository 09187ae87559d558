"""What is said of a phase, with and without a terminal."""

import io
import os
import sys
import time

from rich.console import Console

from triptych.callbacks import phases as module
from triptych.callbacks.phases import Phases

CONTROL = "\x1b"


def test_a_long_phase_says_one_word_and_a_short_one_none():
    lines = []
    phases = Phases(lines.append, silence_s=0.05)
    with phases.phase("short"):
        pass
    with phases.phase("long"):
        time.sleep(0.3)
    assert lines == ["long ..."]
    with phases.phase("after a line"):
        phases.has_spoken()
        time.sleep(0.1)
    assert lines == ["long ..."]


def test_nothing_is_said_where_nothing_is_to_be_shown():
    lines = []
    with Phases(lines.append, is_shown=False, silence_s=0.0).phase("long"):
        time.sleep(0.1)
    assert lines == []


def test_a_phase_within_another_is_shown_and_then_the_outer_one_again():
    phases = Phases(is_shown=False)
    phases.begin("learning", lambda: "23%")
    with phases.phase("evaluating"):
        assert phases.line().plain == "evaluating  0:00"
    assert phases.line().plain == "learning  23%"
    phases.end()
    assert phases.line().plain == ""


def test_a_phase_may_be_ended_from_within():
    phases = Phases(is_shown=False)
    with phases.phase("outer"), phases.phase("inner"):
        phases.end_all()
    assert phases.line().plain == ""


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_on_a_terminal_a_phase_is_one_line_below_what_is_printed(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setattr(module, "has_terminal", lambda: True)
    monkeypatch.setattr(module, "Live", lambda **given: Live(console=console, **given))
    console = Console(file=terminal, force_terminal=True, width=40, color_system=None)
    Live = vars(__import__("rich.live", fromlist=["Live"]))["Live"]
    with Phases(silence_s=0.0).phase("evaluating on a great many games that do not fit"):
        print("a row")
        time.sleep(0.5)
    shown = terminal.getvalue()
    assert "evaluating on a great many games that d" in shown
    assert "do not fit" not in shown
    assert "a row" in shown
    assert CONTROL in shown


def test_what_is_piped_has_no_terminal_whatever_the_environment_says(monkeypatch):
    monkeypatch.setitem(os.environ, "FORCE_COLOR", "1")
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert not module.has_terminal()
