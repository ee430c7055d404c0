"""What is shown of the page that a message links to."""

from typing import Self

import strawberry

from models import link_previews


@strawberry.type(
    description="What a page says of itself: plain text of a stranger's, never markup. A client "
    "shows it as text."
)
class LinkPreview:
    url: str = strawberry.field(description="The link, as it is written in the message.")
    title: str = strawberry.field(description="What the page is called: up to 200 characters.")
    description: str | None = strawberry.field(
        description="What it is about: up to 500 characters."
    )
    site_name: str | None = strawberry.field(
        description="What the site is called: up to 80 characters."
    )
    image_url: str | None = strawberry.field(
        description="A picture, by https on a stranger's server: loading it tells that server the "
        "viewer's address. Show it only if the viewer wants that."
    )

    @classmethod
    def of_any(cls, row: link_previews.LinkPreview | None) -> Self | None:
        """Return a preview, if there is one that was fetched."""
        if row is None or row.title is None:
            return None
        return cls(
            url=row.url,
            title=row.title,
            description=row.description,
            site_name=row.site_name,
            image_url=row.image_url,
        )
