"""Texts for people: a notification's body becomes a subject and some lines, in a language and a time zone."""

from frostline_cloud.notify.texts.catalogue import BUILT_IN, Catalogue
from frostline_cloud.notify.texts.fields import FIELDS, Reader, fields_of
from frostline_cloud.notify.texts.template import Template, Text, parse_template

__all__ = ["BUILT_IN", "FIELDS", "Catalogue", "Reader", "Template", "Text", "fields_of", "parse_template"]
