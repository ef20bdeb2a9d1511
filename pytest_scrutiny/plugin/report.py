"""What a run tells its user."""

from pytest_scrutiny.plugin.options import Settings


def header(settings: Settings) -> str:
    """Return the line that says what this run will talk to, and who said so."""
    sources = settings.sources
    return (
        f"scrutiny: {settings.address} ({sources['address']}), "
        f"ready within {settings.ready_timeout:g} s ({sources['ready_timeout']})"
    )
