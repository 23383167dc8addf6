"""The page of the gallery's service, for people: templates, a style sheet and a script from this package alone.

| module | what it does |
|---|---|
| `views` | the routes |
| `address` | the filters of a search, from and to the address |
| `wording` | verdicts, changes and times in words |
| `time_line` | where the sightings of an identity stand on its time line |
| `rendering` | templates to HTML |
"""
