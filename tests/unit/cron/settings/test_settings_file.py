"""The settings file: its values, their origins, and the errors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path

import pytest

from cron.errors import SettingsError
from cron.ledger.database import display_url, open_engine
from cron.project_root import PROJECT_ROOT
from cron.settings.file import DEFAULT_FILE, load_settings
from cron.settings.keys import settings_leaves, value_of, variable
from cron.settings.tree import Settings
from cron.settings.worker_settings import WorkerSettings
from cron.urls import files
from cron.urls.passwords import hide_password
from cron.urls.torchserve import parse as parse_nodes
from cron.verbs.config import in_toml
from recommender.config import HASHED_WORDS
from trainer.config import TrainConfig


def write(folder: Path, text: str) -> Path:
    file = folder / "freshet.toml"
    file.write_text(text, encoding="utf-8")
    return file


def refusal(file: Path | None, env: dict[str, str] | None = None) -> str:
    with pytest.raises(SettingsError) as caught:
        load_settings(file, env or {})
    return str(caught.value)


def test_the_shipped_file_holds_the_defaults() -> None:
    loaded = load_settings(None, {})
    assert loaded.file == DEFAULT_FILE
    assert loaded.settings == Settings()


def test_the_shipped_file_for_real_servers_loads() -> None:
    loaded = load_settings(PROJECT_ROOT / "deploy" / "cluster.toml", {})
    assert loaded.settings.store.events.startswith("kafka://")
    assert len(parse_nodes(loaded.settings.store.server)) == 2


def test_the_shipped_file_of_a_hardened_machine_needs_a_key() -> None:
    file = PROJECT_ROOT / "deploy" / "hardened.toml"
    assert "FRESHET__GATEWAY__API_KEY" in refusal(file)
    loaded = load_settings(file, {"FRESHET__GATEWAY__API_KEY": "k"})
    assert loaded.settings.gateway.host == "0.0.0.0"
    assert files.parse(loaded.settings.store.ledger).path == Path("/srv/freshet/var/ledger.db")


@pytest.mark.parametrize("name", ["deepseek-7b", "deepseek-distill"])
def test_the_shipped_files_for_deepseek_load(name: str) -> None:
    encoder = load_settings(PROJECT_ROOT / "deploy" / f"{name}.toml", {}).settings.train.encoder
    assert encoder.model.startswith("deepseek-ai/")
    assert (encoder.pooling, encoder.is_packed) == ("last", False)
    assert encoder.train == ("lora" if name == "deepseek-7b" else "frozen")


def test_the_shipped_file_of_a_deepseek_writer_loads() -> None:
    copy = load_settings(PROJECT_ROOT / "deploy" / "deepseek-copy.toml", {}).settings.copy
    assert (copy.writer, copy.pack) == ("torchserve:", False)
    assert copy.model.startswith("deepseek-ai/")


def test_the_file_for_large_shops_needs_no_language_model() -> None:
    settings = load_settings(PROJECT_ROOT / "deploy" / "large.toml", {}).settings
    assert settings.train.encoder.model == HASHED_WORDS
    assert settings.worker.train_limit_s > WorkerSettings().train_limit_s


def test_the_shipped_file_for_a_gpu_is_larger_than_the_default() -> None:
    train = load_settings(PROJECT_ROOT / "deploy" / "gpu.toml", {}).settings.train
    assert train.device == "cuda"
    assert train.model.dim % train.model.num_heads == 0
    assert train.model.dim > TrainConfig().model.dim


@pytest.mark.parametrize(
    "name",
    [
        "FRESHET_GATEWAY_API_KEY",
        "FRESHET_GATEWAY__API_KEY",
        "freshet__gateway__api_key",
        "FRESHET__GATEWAY_API__KEY",
    ],
)
def test_a_variable_that_resembles_a_settings_is_an_error(name: str) -> None:
    said = refusal(None, {name: "hush"})
    assert name in said
    assert "gateway.api_key" in said or "FRESHET__GATEWAY__API_KEY" in said
    assert "hush" not in said
    others = {
        "FRESHET_CONFIG": str(DEFAULT_FILE),
        "FRESHET_DATA": "/d",
        "FRESHET_KAFKA_SASL_PASSWORD": "p",
        "FRESHET": "1",
        "GATEWAY_PORT": "1",
    }
    assert load_settings(None, others).settings == Settings()


def test_the_environment_beats_the_file_and_the_file_the_default(tmp_path: Path) -> None:
    file = write(
        tmp_path, '[worker]\ninterval_s = 60\ncron = "*/5 * * * *"\n[train.encoder]\npack = false\n'
    )
    env = {
        "FRESHET__WORKER__INTERVAL_S": "30",
        "FRESHET__WORKER__CRON": "",
        "FRESHET__TRAIN__POSITIVE_TYPES": "click, purchase",
    }
    loaded = load_settings(file, env)
    assert loaded.settings.worker.interval_s == 30.0
    assert loaded.settings.worker.cron is None
    assert loaded.settings.train.positive_types == ("click", "purchase")
    assert loaded.settings.train.encoder.pack is False
    assert loaded.origins["worker.interval_s"] == "environment FRESHET__WORKER__INTERVAL_S"
    assert loaded.origins["train.encoder.pack"] == str(file)
    assert loaded.origins["worker.min_events"] == "default"


def test_the_argument_goes_before_the_environments_file(tmp_path: Path) -> None:
    first, second = write(tmp_path, "[gateway]\nport = 1111\n"), tmp_path / "second.toml"
    second.write_text("[gateway]\nport = 2222\n")
    env = {"FRESHET_CONFIG": str(second)}
    assert load_settings(first, env).settings.gateway.port == 1111
    assert load_settings(None, env).settings.gateway.port == 2222


def test_every_key_can_be_set_from_the_environment() -> None:
    for key in settings_leaves():
        value = value_of(Settings(), key)
        text = "" if value is None else ",".join(value) if isinstance(value, tuple) else str(value)
        if key == "gateway.api_key":
            text = "k"
        if isinstance(value, Mapping):
            text = json.dumps(dict(value))
        settings = load_settings(None, {variable(key): text}).settings
        expected = (
            replace(Settings(), gateway=replace(Settings().gateway, api_key="k"))
            if key == "gateway.api_key"
            else Settings()
        )
        assert settings == expected, key


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "[worker]\nintervall_s = 3\n",
            ["worker.intervall_s is not a setting", "did you mean worker.interval_s?"],
        ),
        ("[wroker]\ninterval_s = 3\n", ["wroker", "did you mean worker?"]),
        ("interval_s = 3\n", ["interval_s is not a setting", "worker.interval_s"]),
        ("[gateway]\ninterval_s = 3\n", ["gateway.interval_s", "did you mean worker.interval_s?"]),
        ('[worker]\ninterval_s = "soon"\n', ["worker.interval_s = 'soon'", "a number"]),
        ("[worker]\nafter_events = 2.5\n", ["worker.after_events = 2.5", "a whole number"]),
        ("[worker]\nafter_events = true\n", ["worker.after_events = True", "a whole number"]),
        ("[worker]\ninterval_s = -1\n", ["worker.interval_s = -1", "over 0"]),
        ("[worker]\ninterval_s = nan\n", ["worker.interval_s = nan", "over 0"]),
        ('[worker]\ncron = "every day"\n', ["worker.cron = 'every day'", "crontab"]),
        ('[worker]\ncron = "99 * * * *"\n', ["worker.cron", "crontab"]),
        (
            '[worker]\ncron = "0 3 * * 0"\n',
            ["worker.cron = '0 3 * * 0'", "weekdays by name", "'0 3 * * sun'"],
        ),
        ("[gateway]\nport = 70000\n", ["gateway.port = 70000", "between 1 and 65535"]),
        (
            '[gateway]\napi_key = "k"\n',
            ["gateway.api_key is a secret", "FRESHET__GATEWAY__API_KEY"],
        ),
        (
            '[gateway]\nhost = "0.0.0.0"\n',
            ["gateway.host = '0.0.0.0'", "FRESHET__GATEWAY__API_KEY"],
        ),
        (
            '[store]\nevents = "mysql://localhost"\n',
            ["store.events = 'mysql://localhost'", "sqlite:"],
        ),
        ('[store]\nledger = "sqlite://var/x.db"\n', ["store.ledger", "sqlite:///PATH"]),
        ('[store]\nserver = "torchserve://h:99999/rec"\n', ["store.server", "torchserve://HOST"]),
        ('[store]\nserver = "torchserve://h:8081/rec?token=x"\n', ["store.server", "keys=/PATH"]),
        (
            '[store]\nserver = "torchserve://h:8081/rec?keys=key_file.json"\n',
            ["store.server", "keys=/PATH"],
        ),
        (
            '[store]\nledger = "postgresql://me@host"\n',
            ["store.ledger", "postgresql://USER@HOST:PORT/DATABASE"],
        ),
        (
            '[store]\nledger = "postgresql://me@host:port/db"\n',
            ["store.ledger", "postgresql://USER@HOST:PORT/DATABASE"],
        ),
        (
            '[store]\nledger = "mysql://me@host/db"\n',
            ["store.ledger = 'mysql://me@host/db'", "sqlite: or postgresql:"],
        ),
        ('[store]\nvar = ""\n', ["store.var", "not empty"]),
        ('[reward.weights]\nclick = "1"\n', ["reward.weights.click", "'1'", "a number"]),
        (
            '[train.fusion.vectors]\npicture = "v.parquet"\n',
            ["train.fusion.vectors.picture", "a name", "not text, id, facts, picture"],
        ),
        ('[train.fusion.vectors]\naudio = ""\n', ["train.fusion.vectors.audio", "Parquet"]),
        ("[train.fusion.vectors]\naudio = 3\n", ["train.fusion.vectors", "a table of texts"]),
        ("store = 3\n", ["store = 3", "[store]"]),
        ('[train.model]\ntower = "gru"\n', ["train.model.tower = 'gru'", "'transformer', 'lstm'"]),
        ("[train.model]\nnum_heads = 3\n", ["train.model.dim = 64", "train.model.num_heads"]),
        (
            "[train.encoder]\ntexts_per_step = 1\n",
            ["train.encoder.texts_per_step = 1", "2 or more", "differ"],
        ),
        (
            '[gateway.segment.types]\n"Video Started" = 3\n',
            ["gateway.segment.types", "a table of texts"],
        ),
        (
            f'[gateway.ga4.types]\nview_cart = "{"t" * 65}"\n',
            ["gateway.ga4.types", "types of at most 64 characters"],
        ),
        ("[train]\npositive_types = []\n", ["train.positive_types", "not empty"]),
        (
            '[train.encoder]\nmodel = "words"\ntrain = "lora"\n',
            ["train.encoder.train", "needs a language model"],
        ),
        (
            "[train.encoder_memory]\ndivide_weights = true\n",
            ["train.encoder_memory.divide_weights", 'train = "full"', "frozen"],
        ),
        ("[gate]\nmin_panel_share = 0.5\n", ["gate.min_panel_share = 0.5", "max_panel_share"]),
        ("[gate]\nnum_probes = 21\n", ["gate.num_probes = 21", "1 to 20"]),
        ("[gate]\nnum_probes = 0\n", ["gate.num_probes = 0", "1 to 20"]),
        ("[release]\nkeep_registered = 1\n", ["release.keep_registered = 1", "roll back"]),
        ("[copy]\nat_once = 65\n", ["copy.at_once = 65", "1 to 64"]),
        ("[copy]\ntimeout_s = 121.0\n", ["copy.timeout_s = 121.0", "from 0.1 to 120"]),
        ('[copy]\nlanguages = ["fr"]\n', ["copy.languages = ['fr']", "not empty, of 'en', 'zh'"]),
        ("[copy]\nlanguages = []\n", ["copy.languages = []", "not empty, of 'en', 'zh'"]),
        ("[worker\n", ["not a TOML file"]),
    ],
)
def test_an_error_names_file_key_value_and_what_is_expected(
    tmp_path: Path, text: str, says: list[str]
) -> None:
    file = write(tmp_path, text)
    message = refusal(file)
    assert all(part in message for part in [str(file), *says]), message


def test_a_table_of_texts_comes_from_the_file_or_as_json(tmp_path: Path) -> None:
    file = write(tmp_path, '[gateway.segment.types]\n"Video Started" = "play"\n"Sign Up" = ""\n')
    types = {"Video Started": "play", "Sign Up": ""}
    assert load_settings(file, {}).settings.gateway.segment.types == types
    env = {"FRESHET__GATEWAY__GA4__TYPES": json.dumps(types)}
    settings = load_settings(file, env).settings
    assert settings.gateway.ga4.types == settings.gateway.segment.types == types
    assert in_toml(types) == '{"Video Started" = "play", "Sign Up" = ""}'
    env["FRESHET__GATEWAY__GA4__TYPES"] = "Video Started=play"
    assert "a table of texts" in refusal(file, env)


def test_an_error_names_the_environment_variable() -> None:
    assert "FRESHET__WORKER__INTERVALL_S" in refusal(None, {"FRESHET__WORKER__INTERVALL_S": "3"})
    assert "FRESHET__GATEWAY__PORT" in refusal(None, {"FRESHET__GATEWAY__PORT": "http"})


def test_an_empty_secret_is_an_error_by_name() -> None:
    message = refusal(
        None, {"FRESHET__GATEWAY__API_KEY": " ", "FRESHET__GATEWAY__HOST": "127.0.0.1"}
    )
    assert "FRESHET__GATEWAY__API_KEY: is set and empty" in message


def test_a_key_must_fit_into_a_header() -> None:
    message = refusal(None, {"FRESHET__GATEWAY__API_KEY": "two\nlines"})
    assert "gateway.api_key = ***: expected one line" in message
    load_settings(None, {"FRESHET__GATEWAY__API_KEY": "schlüssel\n"})


@pytest.mark.parametrize(
    "url",
    ["postgresql://me:pa/ss@host/db", "postgresql://me@host/db?sslmode=require&password=pa/ss"],
)
def test_a_password_is_refused_in_the_file_and_never_shown(tmp_path: Path, url: str) -> None:
    message = refusal(write(tmp_path, f'[store]\nledger = "{url}"\n'))
    assert "store.ledger holds a password" in message
    assert "FRESHET__STORE__LEDGER" in message
    assert "pa/ss" not in message
    message = refusal(None, {"FRESHET__STORE__LEDGER": url.replace("postgresql", "mysql")})
    assert "***" in message
    assert "pa/ss" not in message


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:pa#ss@host/db",
        "postgresql://me:pa?ss@host/db",
        "postgresql://me@corp:pa#ss@host/db",
        "postgresql://me,you:pa#ss@host/db",
        "postgresql:me:pa#ss@host/db",
        "postgresql://host/db?sslkey=/k&sslpassword=pa/ss",
        "postgresql://host/db?PASSWORD=pa/ss",
        "s3://bucket/p?access_key=pa/ss",
    ],
)
def test_a_password_of_any_signs_is_shown_nowhere(tmp_path: Path, url: str) -> None:
    """A `#` or `?` ends the host for a parser, so its error about the port quotes the URL."""
    shown = hide_password(url)
    assert "***" in shown
    assert "ss@" not in shown
    assert "pa/ss" not in shown
    assert "store.ledger holds a password" in refusal(
        write(tmp_path, f'[store]\nledger = "{url}"\n')
    )


@pytest.mark.parametrize(
    "url",
    [
        "kafka://me@h1:9092,h2:9092/events?items=items&ca=/home/me@work/ca",
        "file:////srv/a:b@c",
        "sqlite:////srv/a:b@c/ledger.db",
        "torchserve://a:1,b:2/rec?inference=8080,8081&keys=/srv/me@work",
        "postgresql://me@host:5432/db?passfile=/srv/pass",
    ],
)
def test_a_url_without_a_password_is_shown_whole(url: str) -> None:
    assert hide_password(url) == url


def test_a_ledger_names_its_database_without_passwords() -> None:
    engine = open_engine("postgresql://me:pa-ss@host/db?sslmode=require&sslpassword=pa-ss")
    assert display_url(engine) == "postgresql://me:***@host/db?sslmode=require"


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    assert "--config" in refusal(tmp_path / "none.toml")
    assert "FRESHET_CONFIG" in refusal(None, {"FRESHET_CONFIG": str(tmp_path / "none.toml")})


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///var/a.db", PROJECT_ROOT / "var" / "a.db"),
        ("sqlite:////srv/a.db", Path("/srv/a.db")),
        ("file:///archives", PROJECT_ROOT / "archives"),
    ],
)
def test_three_slashes_are_relative_and_four_absolute(url: str, path: Path) -> None:
    assert files.parse(url).path == path


def test_every_rule_of_a_branch_names_a_key() -> None:
    leaves = settings_leaves()
    named = {
        f"{field.name}.{key}"
        for field in fields(Settings)
        for key in field.metadata.get("rules", {})
    }
    assert named
    assert named == {key for key, leaf in leaves.items() if leaf.rule is not None}
