import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('integrations', '0004_team_failing_since'),
        ('reviews', '0012_encrypted_webhook_secrets'),
    ]

    operations = [
        migrations.CreateModel(
            name='VerdictPost',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('revision', models.CharField(blank=True, max_length=255)),
                ('number', models.PositiveIntegerField(default=1, help_text='Which verdict on this revision it is, from 1.')),
                ('verdict', models.CharField(choices=[('pass', 'passed'), ('fail', 'failed'), ('error', 'error')], max_length=8)),
                ('vote', models.CharField(blank=True, help_text='As Launchpad spells it; empty: a comment only.', max_length=32)),
                ('text', models.TextField(blank=True, help_text='The comment, as it was posted or last tried.')),
                ('state', models.CharField(choices=[('waiting', 'waiting'), ('claimed', 'claimed'), ('posted', 'posted'), ('refused', 'refused')], default='waiting', max_length=16)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('due_at', models.DateTimeField(default=django.utils.timezone.now, help_text='waiting: when it is tried next.')),
                ('claimed_until', models.DateTimeField(blank=True, null=True)),
                ('tries', models.PositiveIntegerField(default=0)),
                ('error', models.TextField(blank=True, help_text='Why the last try did not post it.')),
                ('posted_at', models.DateTimeField(blank=True, null=True)),
                ('review', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='verdict_posts', to='reviews.review')),
            ],
            options={
                'ordering': ['-created_at', '-id'],
            },
        ),
        migrations.AddIndex(
            model_name='verdictpost',
            index=models.Index(condition=models.Q(('state', 'posted'), _negated=True), fields=['due_at'], name='verdict_unposted'),
        ),
        migrations.AddIndex(
            model_name='verdictpost',
            index=models.Index(fields=['-created_at', '-id'], name='verdict_newest'),
        ),
        migrations.AddConstraint(
            model_name='verdictpost',
            constraint=models.UniqueConstraint(fields=('review', 'revision', 'number'), name='one_post_per_verdict'),
        ),
        migrations.AddConstraint(
            model_name='verdictpost',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['waiting', 'claimed', 'posted', 'refused'])), name='verdict_post_state_known'),
        ),
        migrations.AddConstraint(
            model_name='verdictpost',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('claimed_until__isnull', False), ('state', 'claimed')), models.Q(models.Q(('state', 'claimed'), _negated=True), ('claimed_until__isnull', True)), _connector='OR'), name='claimed_verdict_has_an_end'),
        ),
        migrations.AddConstraint(
            model_name='verdictpost',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('posted_at__isnull', False), ('state', 'posted')), models.Q(models.Q(('state', 'posted'), _negated=True), ('posted_at__isnull', True)), _connector='OR'), name='posted_verdict_has_a_time'),
        ),
    ]
