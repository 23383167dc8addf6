"""The page of the gallery's service, for people: templates, a style sheet and a script from this package alone.

| module | what it does |
|---|---|
| `routes` | the addresses |
| `handling` | what handlers share: who asks, threads, forms, errors |
| `searching`, `people`, `upkeep`, `session`, `files` | the handlers |
| `sent` | what forms and the script send |
| `address` | the filters of a search, from and to the address |
| `wording` | verdicts, changes and times in words |
| `time_line` | where the sightings of an identity stand on its time line |
| `rendering` | templates to HTML |
"""
