"""The page of one alert: what was measured, what happened, who was told, and what people do with it."""
