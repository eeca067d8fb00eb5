"""Links in messages: to an alert's page in the console, and one to take note of what a message tells.

The page behind the latter is `links.page`, which needs the web framework: only who serves it imports it.
"""

from frostline_cloud.notify.links.token import LinkState, link_key
from frostline_cloud.notify.links.using import forget_links
from frostline_cloud.notify.links.writing import Links

__all__ = ["LinkState", "Links", "forget_links", "link_key"]
