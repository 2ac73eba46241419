"""Settings that exclude each other: every value is valid alone, and together they are not."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address

from cron.errors import SettingsError
from cron.settings.keys import value_of, variable
from cron.settings.tree import Settings
from recommender.config import HASHED_WORDS


def check_combinations(settings: Settings, origins: Mapping[str, str]) -> None:
    """Raise SettingsError for the first combination that cannot work.

    `origins` has the origin of every key; the error names one that is not a default.
    """
    _check_pairs(settings, origins)
    _check_machines(settings, origins)
    _check_trials(settings, origins)
    _check_signatures(settings, origins)
    _check_types(settings, origins)
    _check_encoder(settings, origins)
    _check_access(settings, origins)


def _check_pairs(settings: Settings, origins: Mapping[str, str]) -> None:
    gate, release, model, worker = (
        settings.gate,
        settings.release,
        settings.train.model,
        settings.worker,
    )
    if gate.min_panel_share > gate.max_panel_share:
        raise _wrong_pair(settings, origins, "gate.min_panel_share", "gate.max_panel_share", "over")
    if release.keep_releases < release.keep_registered:
        raise _wrong_pair(
            settings, origins, "release.keep_releases", "release.keep_registered", "under"
        )
    if model.dim % model.num_heads != 0:
        raise _wrong_pair(
            settings, origins, "train.model.dim", "train.model.num_heads", "not a multiple of"
        )
    if gate.min_recall > settings.train.cells_recall:
        raise _wrong_pair(settings, origins, "gate.min_recall", "train.cells_recall", "over")
    if worker.poll_s >= worker.lease_s:
        raise _wrong_pair(settings, origins, "worker.poll_s", "worker.lease_s", "not under")


def _check_machines(settings: Settings, origins: Mapping[str, str]) -> None:
    for row in sorted(settings.worker.machines.keys() - settings.worker.launchers.keys()):
        where = _origin(origins, "worker.machines", "worker.launchers")
        raise SettingsError(
            f"{where}: worker.machines has {row}, for which worker.launchers has no launcher; add"
            " one that trains on these machines"
        )


def _check_trials(settings: Settings, origins: Mapping[str, str]) -> None:
    release, slates = settings.release, settings.slates
    if release.trial_min_s > release.trial_max_s:
        raise _wrong_pair(settings, origins, "release.trial_min_s", "release.trial_max_s", "over")
    if release.canary_share == 0:
        return
    if not slates.record:
        where = _origin(origins, "slates.record", "release.canary_share")
        raise SettingsError(
            f"{where}: release.canary_share = {release.canary_share} needs slates.record: a canary"
            " is compared by the lists that were served"
        )
    if release.trial_max_s > 86_400 * slates.keep_days:
        raise SettingsError(
            f"{_origin(origins, 'release.trial_max_s', 'slates.keep_days')}: release.trial_max_s ="
            f" {release.trial_max_s} is over slates.keep_days = {slates.keep_days} days; the"
            " canary's first lists would be deleted before its end"
        )


def _wrong_pair(
    settings: Settings, origins: Mapping[str, str], key: str, other: str, relation: str
) -> SettingsError:
    where = _origin(origins, key, other)
    value, other_value = value_of(settings, key), value_of(settings, other)
    return SettingsError(f"{where}: {key} = {value!r} is {relation} {other} = {other_value!r}")


def _check_signatures(settings: Settings, origins: Mapping[str, str]) -> None:
    if settings.release.require_signatures and not settings.release.sign_archives:
        key = "release.require_signatures"
        needed = "needs release.sign_archives: an unsigned archive would never be loaded"
        raise SettingsError(f"{origins[key]}: {key} = True {needed}")


def _check_types(settings: Settings, origins: Mapping[str, str]) -> None:
    both = sorted({*settings.train.positive_types} & {*settings.train.negative_types})
    if both:
        where = _origin(origins, "train.positive_types", "train.negative_types")
        raise SettingsError(
            f"{where}: {both[0]!r} is in both train.positive_types and train.negative_types;"
            " remove it from one"
        )


def _check_encoder(settings: Settings, origins: Mapping[str, str]) -> None:
    encoder = settings.train.encoder
    if encoder.model == HASHED_WORDS and encoder.train != "frozen":
        where = _origin(origins, "train.encoder.train", "train.encoder.model")
        raise SettingsError(
            f"{where}: train.encoder.train = {encoder.train!r} needs a language model, and"
            f" train.encoder.model = {HASHED_WORDS!r} has no weights; name a model, or set"
            ' train = "frozen"'
        )
    if settings.train.encoder_memory.divide_weights and encoder.train != "full":
        key = "train.encoder_memory.divide_weights"
        where = _origin(origins, key, "train.encoder.train")
        raise SettingsError(
            f'{where}: {key} = True needs train.encoder.train = "full", and it is'
            f" {encoder.train!r}; an adapter is small on each rank"
        )


def _check_access(settings: Settings, origins: Mapping[str, str]) -> None:
    host = settings.gateway.host
    if not _is_loopback(host) and settings.gateway.api_key is None:
        raise SettingsError(
            f"{origins['gateway.host']}: gateway.host = {host!r} is open to other machines without"
            f" a key; set {variable('gateway.api_key')}, or host 127.0.0.1"
        )


def _origin(origins: Mapping[str, str], key: str, other: str) -> str:
    return origins[key] if origins[key] != "default" else origins[other]


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
