"""What the balancer calls. The modules `wit_world` and `componentize_py_types` are there only in the component."""

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.priority import Verdict_Accept
from wit_world.exports.setup import Info

import business_hours

settings = business_hours.read({})


class Priority(exports.Priority):
    def prioritize(self, task):
        return Verdict_Accept(business_hours.priority(settings, task))


class Setup(exports.Setup):
    def describe(self):
        return Info(name="business-hours", version="1.0.0", stateful=False)

    def configure(self, text):
        global settings
        try:
            settings = business_hours.read(json.loads(text))
        except (business_hours.BadConfig, ValueError) as error:
            raise Err(str(error))

    def topology(self, directory):
        pass
