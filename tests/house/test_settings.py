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
        ("ROLLCALL_API__RATE_PER_SECOND", "-1"),
        ("ROLLCALL_API__RATE_BURST", "0"),
        ("ROLLCALL_API__TRUSTED_PROXIES", "10.0.0.0/8,proxy.example"),
        ("ROLLCALL_API__OIDC__ISSUER", "http://issuer.example"),
        ("ROLLCALL_API__OIDC__ISSUER", "https://issuer.example?realm=x"),
        ("ROLLCALL_API__OIDC__ISSUER", "https://user:password@issuer.example"),
        ("ROLLCALL_API__OIDC__ISSUER", "issuer.example"),
        ("ROLLCALL_API__OIDC__ISSUER", "https://issuer.example:port"),
        ("ROLLCALL_API__OIDC__ALGORITHMS", "RS256,HS256"),
        ("ROLLCALL_API__OIDC__ALGORITHMS", "none"),
        ("ROLLCALL_API__OIDC__ALGORITHMS", ""),
        ("ROLLCALL_API__OIDC__REQUIRED_CLAIMS", "hd"),
        ("ROLLCALL_API__OIDC__REQUIRED_CLAIMS", "=x"),
        ("ROLLCALL_API__OIDC__CLOCK_SKEW_SECONDS", "3600"),
        ("ROLLCALL_API__OIDC__USERNAME_CLAIM", ""),
        ("ROLLCALL_OPERATOR__NAMESPACES", "team-*"),
        ("ROLLCALL_OPERATOR__NAMESPACES", "team-a,../kube-system"),
        ("ROLLCALL_OPERATOR__NAMESPACES", "Team"),
        ("ROLLCALL_OPERATOR__NAMESPACES", "a" * 64),
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
    assert "password" not in str(caught.value)


@pytest.mark.parametrize("name", ["ROLLCALL_API__PROT", "ROLLCALL_DATABSE__DSN", "rollcall_nonsense"])
def test_an_unknown_name_is_refused_not_ignored(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "1")
    with pytest.raises(SettingsError, match=name):
        load_settings()


def test_lists_are_comma_separated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROLLCALL_CLUSTER__PROJECT_LABELS", "team, runai/queue ,")
    monkeypatch.setenv("ROLLCALL_API__OIDC__AUDIENCES", "one,two")
    settings = load_settings()
    assert settings.cluster.project_labels == ("team", "runai/queue")
    assert settings.api.oidc.audiences == ("one", "two")


@pytest.mark.parametrize("identity", [None, ""])
def test_named_namespaces_need_the_cluster_s_identity(monkeypatch: pytest.MonkeyPatch, identity: str | None) -> None:
    """It is the uid of kube-system, where a Role in another namespace gives no right."""
    monkeypatch.setenv("ROLLCALL_OPERATOR__NAMESPACES", "team-a")
    if identity is not None:
        monkeypatch.setenv("ROLLCALL_CLUSTER__ID", identity)
    with pytest.raises(SettingsError, match=r"^ROLLCALL_CLUSTER__ID: must be set with ROLLCALL_OPERATOR__NAMESPACES"):
        load_settings()


def test_namespaces_are_named_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROLLCALL_CLUSTER__ID", "c1")
    monkeypatch.setenv("ROLLCALL_OPERATOR__NAMESPACES", "team-b, team-a,team-b")
    assert load_settings().operator.namespaces == ("team-b", "team-a")


@pytest.mark.parametrize("issuer", ["https://issuer.example/realms/x", "http://127.0.0.1:8080", "http://[::1]/x"])
def test_issuers_that_can_be_trusted_are_taken_by_the_letter(monkeypatch: pytest.MonkeyPatch, issuer: str) -> None:
    monkeypatch.setenv("ROLLCALL_API__OIDC__ISSUER", issuer)
    assert load_settings().api.oidc.issuer == issuer


def test_no_secret_in_what_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROLLCALL_DATABASE__DSN", "postgresql://rollcall:hunter2@db/rollcall")
    assert "hunter2" not in repr(load_settings())
