"""Rows of reviews, in templates."""

from django import template

from reviews.tables import join_rows

register = template.Library()
register.filter("join_rows", join_rows)
