"""The cloud: ingest, store, rules runtime, alerts, notify, API and console."""
