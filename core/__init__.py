"""Small tools that know no model and no page."""
