"""Which steps of SQLAlchemy 2 work, over psycopg 3?"""

import datetime
import decimal
import sys

import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.dialects.postgresql import JSONB, insert

from steps import Steps

HOST, PORT = sys.argv[1], int(sys.argv[2])
URL = f"postgresql+psycopg://pieskieo@{HOST}:{PORT}/pieskieo"
step = Steps("SQLAlchemy", sa.__version__)


class Base(orm.DeclarativeBase):
    pass


class Author(Base):
    __tablename__ = "sa_author"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    name: orm.Mapped[str] = orm.mapped_column(sa.String(30), unique=True)
    born: orm.Mapped[datetime.date | None]
    facts: orm.Mapped[dict | None] = orm.mapped_column(JSONB)
    books: orm.Mapped[list["Book"]] = orm.relationship(
        back_populates="author", cascade="all, delete-orphan"
    )


class Book(Base):
    __tablename__ = "sa_book"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    title: orm.Mapped[str]
    price: orm.Mapped[decimal.Decimal | None] = orm.mapped_column(sa.Numeric(9, 2))
    author_id: orm.Mapped[int] = orm.mapped_column(sa.ForeignKey("sa_author.id"))
    author: orm.Mapped[Author] = orm.relationship(back_populates="books")


plain = sa.create_engine(URL, isolation_level="AUTOCOMMIT")
engine = sa.create_engine(URL)


def run(of):
    Base.metadata.drop_all(plain)
    Base.metadata.create_all(plain)
    of()


def equal(given, expected):
    assert given == expected, f"{given!r} instead of {expected!r}"


def filled():
    with orm.Session(engine) as session:
        ada = Author(name="Ada", born=datetime.date(1815, 12, 10), facts={"a": [1]})
        ada.books = [Book(title=f"Book {n}", price=decimal.Decimal(n)) for n in range(3)]
        session.add_all([ada, Author(name="Bo")])
        session.commit()


@step("`create_all` in a transaction")
def _():
    Base.metadata.drop_all(plain)
    Base.metadata.create_all(engine)


@step("`create_all` with `AUTOCOMMIT`, `inspect`")
def _():
    found = sa.inspect(plain)
    assert {"sa_author", "sa_book"} <= set(found.get_table_names())
    equal(found.get_foreign_keys("sa_book")[0]["referred_table"], "sa_author")
    equal(found.get_unique_constraints("sa_author")[0]["column_names"], ["name"])


@step("reflecting tables")
def _():
    reflected = sa.MetaData()
    reflected.reflect(plain, only=["sa_author", "sa_book"])
    equal([column.name for column in reflected.tables["sa_author"].columns][:2], ["id", "name"])


@step("adding objects that belong together")
def _():
    filled()


@step("`select` with joins, order and limit")
def _():
    filled()
    with orm.Session(engine) as session:
        query = sa.select(Book.title).join(Book.author).where(Author.name == "Ada")
        equal(session.scalars(query.order_by(Book.title.desc()).limit(2)).all(), ["Book 2", "Book 1"])


@step("relationships, lazily and with `selectinload` and `joinedload`")
def _():
    filled()
    for load in (orm.lazyload, orm.selectinload, orm.joinedload):
        with orm.Session(engine) as session:
            query = sa.select(Author).options(load(Author.books)).order_by(Author.id)
            authors = session.scalars(query).unique().all()
            equal([len(author.books) for author in authors], [3, 0])


@step("aggregates, `group_by`, `having`")
def _():
    filled()
    with orm.Session(engine) as session:
        query = sa.select(Author.name, sa.func.count(Book.id), sa.func.sum(Book.price))
        query = query.join(Book).group_by(Author.name).having(sa.func.count(Book.id) > 1)
        equal(session.execute(query).all(), [("Ada", 3, decimal.Decimal("3.00"))])


@step("changing and deleting objects")
def _():
    filled()
    with orm.Session(engine) as session:
        ada = session.scalars(sa.select(Author).where(Author.name == "Ada")).one()
        ada.name, ada.facts = "Ada L.", {"b": 2}
        ada.books.pop()
        session.commit()
        equal(session.scalar(sa.select(sa.func.count()).select_from(Book)), 2)
        session.delete(ada)
        session.commit()
        equal(session.scalar(sa.select(sa.func.count()).select_from(Book)), 0)


@step("many rows in one `insert`, with `returning`")
def _():
    with orm.Session(engine) as session:
        rows = [{"name": f"n{n}"} for n in range(300)]
        ids = session.scalars(sa.insert(Author).returning(Author.id), rows).all()
        session.commit()
        equal(len(set(ids)), 300)


@step("`on_conflict_do_update`")
def _():
    filled()
    with engine.begin() as connection:
        query = insert(Author).values(id=99, name="Bo", facts={"a": 1})
        query = query.on_conflict_do_update(index_elements=["name"], set_={"facts": query.excluded.facts})
        connection.execute(query)
        equal(connection.scalar(sa.select(Author.facts).where(Author.name == "Bo")), {"a": 1})


@step("rolling back, `begin_nested`")
def _():
    with orm.Session(engine) as session:
        session.add(Author(name="one"))
        session.flush()
        try:
            with session.begin_nested():
                session.add(Author(name="two"))
                session.flush()
                raise RuntimeError("it goes on")
        except RuntimeError:
            pass
        session.commit()
        equal(session.scalars(sa.select(Author.name)).all(), ["one"])


@step("a constraint that is broken is an `IntegrityError`")
def _():
    filled()
    try:
        with orm.Session(engine) as session:
            session.add(Author(name="Ada"))
            session.commit()
    except sa.exc.IntegrityError:
        return
    raise AssertionError("no error")


@step("`stream_results`: a cursor with a name")
def _():
    with engine.connect() as connection:
        options = connection.execution_options(stream_results=True, max_row_buffer=50)
        rows = options.execute(sa.text("SELECT s FROM generate_series(1, 500) AS g (s)"))
        equal(sum(row.s for row in rows), 125_250)


@step("`JSONB` operators")
def _():
    filled()
    with orm.Session(engine) as session:
        query = sa.select(Author.name).where(Author.facts["a"][0].as_integer() == 1)
        equal(session.scalars(query).all(), ["Ada"])
        query = sa.select(Author.name).where(Author.facts.contains({"a": [1]}))
        equal(session.scalars(query).all(), ["Ada"])


@step("`with_for_update`")
def _():
    filled()
    with orm.Session(engine) as session:
        session.scalars(sa.select(Author).with_for_update()).all()


step.report(lambda of: run(of))
