"""A replay as one page that needs nothing else: what would have been saved, why, and on what that rests.

`cli` calls `page.page` for `--report`. Everything on the page is computed from the case and the courses that were
played; the charts can be read without scripts, and nothing is fetched.

- `words`: the verdict and the other sentences. `standing`: who is compared with whom.
- `charts`, `frontier`: pictures, on the scales of `axes`. `table`, `decisions`, `grounds`: the rest of the page.
- `markup`: elements whose text is always escaped; `style.css` and `script.js` go into the page as they are.
"""
