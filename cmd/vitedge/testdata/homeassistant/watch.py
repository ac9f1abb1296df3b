"""Runs Home Assistant's MQTT integration and prints what it makes of a broker.

    python watch.py FOLDER PORT

FOLDER is for Home Assistant's files, PORT that of a broker on 127.0.0.1. One JSON
object a line goes to stdout:

    {"ready": true}                                       connected to the broker
    {"entity": ID, "state": STATE, "attributes": {...}}   a new state
    {"removed": ID}                                       an entity is gone
    {"complaint": TEXT}                                   a warning or an error

Each line of its standard input is a service to call, as a person would in the user
interface, {"domain": D, "service": S, "data": {...}}; it ends with its input. Only the
core and the MQTT integration run: no web server listens, nothing is downloaded. See
README.md beside this file.
"""

import asyncio
import json
import logging
import pathlib
import sys

from homeassistant import auth, bootstrap, config_entries, core, loader
from homeassistant.const import EVENT_STATE_CHANGED
from homeassistant.setup import async_setup_component


def say(**line):
    print(json.dumps(line, default=str), flush=True)


class Complaints(logging.Handler):
    """What Home Assistant warns of; libraries below it are left out."""

    def emit(self, record):
        if record.name.startswith("homeassistant."):
            cause = f": {record.exc_info[1]!r}" if record.exc_info else ""
            say(complaint=f"{record.name}: {record.getMessage()}{cause}")


@core.callback  # in order, in this thread
def changed(event):
    new = event.data["new_state"]
    if new is None:
        say(removed=event.data["entity_id"])
    else:
        say(entity=new.entity_id, state=new.state, attributes=dict(new.attributes))


async def main(folder, port):
    pathlib.Path(folder, "configuration.yaml").touch()
    logging.getLogger().addHandler(Complaints(logging.WARNING))
    hass = core.HomeAssistant(folder)
    loader.async_setup(hass)
    hass.config.skip_pip = True
    hass.config_entries = config_entries.ConfigEntries(hass, {})
    await loader.async_get_custom_components(hass)
    await bootstrap.async_load_base_functionality(hass)
    hass.auth = await auth.auth_manager_from_config(hass, [{"type": "homeassistant"}], [])
    for domain in bootstrap.CORE_INTEGRATIONS:
        if not await async_setup_component(hass, domain, {}):
            raise SystemExit(f"the integration {domain} cannot be set up")
    hass.bus.async_listen(EVENT_STATE_CHANGED, changed)
    hass.set_state(core.CoreState.running)

    await hass.config_entries.async_add(
        config_entries.ConfigEntry(
            version=2, minor_version=1, domain="mqtt", title="MQTT", source="user", unique_id=None,
            data={"broker": "127.0.0.1", "port": port, "protocol": "5"},
            options={"discovery": True, "discovery_prefix": "homeassistant"},
            discovery_keys={}, subentries_data=None,
        )
    )
    entry = hass.config_entries.async_entries("mqtt")[0]
    if entry.state is not config_entries.ConfigEntryState.LOADED:
        raise SystemExit(f"the MQTT integration cannot be set up: {entry.state}, {entry.reason}")
    say(ready=True)
    while line := await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline):
        call = json.loads(line)
        await hass.services.async_call(call["domain"], call["service"], call["data"], blocking=True)
    await hass.async_stop(force=True)


asyncio.run(main(sys.argv[1], int(sys.argv[2])))
