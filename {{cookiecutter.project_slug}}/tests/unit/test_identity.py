"""Who the service is."""

from importlib import metadata

from app.core.identity import service_identity


def test_the_release_names_the_service_and_its_version() -> None:
    identity = service_identity()

    assert identity.release == f"{identity.name}@{metadata.version('app')}"


def test_every_answer_is_there() -> None:
    identity = service_identity()

    assert "" not in {identity.name, identity.title, identity.owner_name}
