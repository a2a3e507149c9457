"""Who is in a reviewer team on Launchpad is a reviewer here (docs/specification.md, section 6)."""

from accounts.models import Person
from integrations.launchpad.importing import import_source


def test_members_of_the_reviewer_team_are_reviewers(launchpad, project):
    import_source(project())
    assert Person.objects.get(is_reviewer=True).username == "rev"
