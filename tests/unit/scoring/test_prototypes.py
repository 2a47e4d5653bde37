import numpy as np
from numpy.testing import assert_allclose, assert_array_equal

from anomaly_cl.scoring.distances import SMALLEST_SHARE
from anomaly_cl.scoring.prototypes import PrototypeHead

RNG = np.random.default_rng(0)
CENTRES = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 50.0]])
ROWS = np.concatenate([CENTRES[0] + RNG.normal(size=(80, 2)) * 0.5, CENTRES[1] + RNG.normal(size=(60, 2))])


def test_the_distance_is_to_the_nearest_prototype_in_units_of_its_usual_distance():
    head = PrototypeHead(CENTRES).fit(ROWS)
    apart = np.array([[np.linalg.norm(row - centre) for centre in CENTRES] for row in ROWS])
    nearest = apart.argmin(axis=1)
    radii = [np.median(apart[nearest == 0, 0]), np.median(apart[nearest == 1, 1]), np.median(apart.min(axis=1))]
    new = RNG.normal(size=(20, 2)) * 20
    expected = [min(np.linalg.norm(row - centre) / radius for centre, radius in zip(CENTRES, radii, strict=True))
                for row in new]
    assert_allclose(head.distances(new), expected)
    assert_array_equal(head.groups(CENTRES), [0, 1, 2])


def test_rows_on_their_prototypes_have_a_radius_all_the_same():
    head = PrototypeHead(CENTRES).fit(np.repeat(CENTRES, 5, axis=0))
    assert_array_equal(head.distances(CENTRES), 0)
    assert_allclose(head.distances(CENTRES + np.array([0, 2])), 2 / SMALLEST_SHARE)


def test_a_row_does_not_see_the_others():
    head = PrototypeHead(CENTRES).fit(ROWS)
    assert_array_equal([head.distances(row[None])[0] for row in ROWS], head.distances(ROWS))
    assert head.distances(np.empty((0, 2))).shape == (0,)


def test_a_state_gives_the_same_distances_and_groups():
    head = PrototypeHead(CENTRES).fit(ROWS)
    twin = PrototypeHead.from_state(head.to_state())
    assert_array_equal(twin.distances(ROWS), head.distances(ROWS))
    assert_array_equal(twin.groups(ROWS), head.groups(ROWS))
