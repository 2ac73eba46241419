"""Ray's cleaner of placement groups does not fill the log of a run."""

import logging

from ray.train.v2._internal.execution.controller import placement_group_cleaner

from trainer.cluster.quiet_ray import quieten


def test_the_cleaner_warns_no_more() -> None:
    logger = placement_group_cleaner.logger
    try:
        quieten()
        assert not logger.isEnabledFor(logging.WARNING)
        assert logger.isEnabledFor(logging.ERROR)
    finally:
        logger.setLevel(logging.NOTSET)
