"""Which migrations of Alembic work, each in a transaction as it makes them?"""

import pathlib
import sys
import tempfile

import alembic
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from steps import Steps

HOST, PORT = sys.argv[1], int(sys.argv[2])
URL = f"postgresql+psycopg://pieskieo@{HOST}:{PORT}/pieskieo"
step = Steps("Alembic", alembic.__version__)

ENVIRONMENT = """
from alembic import context
from sqlalchemy import create_engine, pool
engine = create_engine(context.config.get_main_option("sqlalchemy.url"), poolclass=pool.NullPool)
with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=None)
    with context.begin_transaction():
        context.run_migrations()
"""

REVISION = """
import sqlalchemy as sa
from alembic import op
revision = "{revision}"
down_revision = {before!r}
def upgrade():
    {up}
def downgrade():
    {down}
"""

FIRST_UP = """
    op.create_table("al_user", sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("email", sa.String(200), nullable=False))
    op.create_index("al_user_email", "al_user", ["email"], unique=True)
    op.create_table("al_post", sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("user_id", sa.Integer, sa.ForeignKey("al_user.id")), sa.Column("body", sa.Text))
    users = sa.table("al_user", sa.column("email", sa.String))
    op.bulk_insert(users, [{"email": "ada@example.org"}, {"email": "bo@example.org"}])
"""
FIRST_DOWN = 'op.drop_table("al_post"); op.drop_table("al_user")'
SECOND_UP = """
    op.add_column("al_post",
        sa.Column("published", sa.Boolean, server_default=sa.false(), nullable=False))
    op.create_index("al_post_user", "al_post", ["user_id"])
"""
SECOND_DOWN = 'op.drop_index("al_post_user"); op.drop_column("al_post", "published")'
FAILING_UP = 'op.create_table("al_gone", sa.Column("id", sa.Integer, primary_key=True)); 1 / 0'


def project():
    """Makes a folder of migrations and returns its settings."""
    folder = pathlib.Path(tempfile.mkdtemp())
    (folder / "versions").mkdir()
    (folder / "env.py").write_text(ENVIRONMENT)
    for revision, before, up, down in [
        ("one", None, FIRST_UP, FIRST_DOWN),
        ("two", "one", SECOND_UP, SECOND_DOWN),
        ("three", "two", FAILING_UP, "pass"),
    ]:
        text = REVISION.format(revision=revision, before=before, up=up.strip(), down=down)
        (folder / "versions" / f"{revision}.py").write_text(text)
    config = Config()
    config.set_main_option("script_location", str(folder))
    config.set_main_option("sqlalchemy.url", URL)
    return config


config = project()
engine = sa.create_engine(URL)


def seen(query):
    with engine.connect() as connection:
        return connection.scalar(sa.text(query))


@step("two revisions up: tables, indexes, a foreign key, records")
def up():
    command.upgrade(config, "two")
    assert seen("SELECT count(*) FROM al_user") == 2
    assert seen("SELECT version_num FROM alembic_version") == "two"


@step("one down and up again")
def down_and_up():
    command.downgrade(config, "one")
    assert "published" not in {column["name"] for column in sa.inspect(engine).get_columns("al_post")}
    command.upgrade(config, "two")


@step("one that fails leaves nothing")
def failing():
    try:
        command.upgrade(config, "three")
        raise AssertionError("it should fail")
    except ZeroDivisionError:
        pass
    assert not sa.inspect(engine).has_table("al_gone")
    assert seen("SELECT version_num FROM alembic_version") == "two"


@step("all down")
def down():
    command.downgrade(config, "base")
    assert not sa.inspect(engine).has_table("al_user")


with engine.begin() as connection:
    for name in ["al_post", "al_user", "al_gone", "alembic_version"]:
        connection.execute(sa.text(f"DROP TABLE IF EXISTS {name}"))
step.report(lambda one: one())
