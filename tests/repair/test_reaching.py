from __future__ import annotations

import pytest

from kcode.repair.reaching import Reaching
from tests.repair.conftest import Project

pytestmark = pytest.mark.anyio


async def test_the_tests_that_a_change_can_reach_are_those_that_import_it(project: Project) -> None:
    root = project(
        {
            "shop/__init__.py": "",
            "shop/cart.py": "from shop.price import price\n",
            "shop/price.py": "def price():\n    return 1\n",
            "shop/other.py": "",
            "tests/test_cart.py": "from shop.cart import price\n",
            "tests/test_other.py": "import shop.other\n",
        }
    )
    reaching = Reaching(root)
    assert {"tests/test_cart.py", "shop/cart.py"} <= await reaching.tests("shop/price.py")
    assert "tests/test_other.py" not in await reaching.tests("shop/price.py")
    assert "tests/test_other.py" in await reaching.tests("shop/other.py")
