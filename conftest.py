"""In a checkout that is not installed, pytest finds the plugin here; installed, through its entry point."""

import pytest

_PLUGIN = "conformance.plugin"


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    if not pluginmanager.has_plugin(_PLUGIN):
        pluginmanager.import_plugin(_PLUGIN)
