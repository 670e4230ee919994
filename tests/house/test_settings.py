"""Settings: every field is described, and a wrong one is one sentence that names it."""

import pytest

from rollcall.errors import SettingsError
from rollcall.settings import load_settings, setting_names


def test_defaults_need_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in setting_names():
        monkeypatch.delenv(name, raising=False)
    settings = load_settings()
    assert settings.api.host == "127.0.0.1"
    assert settings.api.authentication == "kubernetes"


def test_every_setting_is_described() -> None:
    assert {name for name, description in setting_names().items() if not description} == set()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ROLLCALL_API__PORT", "eighty"),
        ("ROLLCALL_API__PORT", "70000"),
        ("ROLLCALL_API__AUTHENTICATION", "trust-me"),
        ("ROLLCALL_OPERATOR__FLUSH_INTERVAL_SECONDS", "-1"),
        ("ROLLCALL_OPERATOR__BATCH_SIZE", "0"),
        ("ROLLCALL_LOG__LEVEL", "loud"),
        ("ROLLCALL_PROMETHEUS__URL", "prometheus:9090"),
        ("ROLLCALL_CLUSTER__ALL_NAMESPACES", "perhaps"),
    ],
)
def test_a_wrong_value_is_a_sentence_that_names_the_setting(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert str(caught.value).startswith(f"{name}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["ROLLCALL_API__PROT", "ROLLCALL_DATABSE__DSN", "rollcall_nonsense"])
def test_an_unknown_name_is_refused_not_ignored(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "1")
    with pytest.raises(SettingsError, match=name):
        load_settings()


def test_lists_are_comma_separated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROLLCALL_CLUSTER__PROJECT_LABELS", "team, runai/queue ,")
    assert load_settings().cluster.project_labels == ("team", "runai/queue")


def test_no_secret_in_what_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROLLCALL_DATABASE__DSN", "postgresql://rollcall:hunter2@db/rollcall")
    assert "hunter2" not in repr(load_settings())
