# Starts the suite's fuzzing server (Python 2.7). Arguments: the folder of its packages, then those of wstest. Left to itself
# the suite listens on every interface.
import site, sys
site.addsitedir(sys.argv.pop(1))
import autobahntestsuite.choosereactor  # The first of its modules, or Twisted takes another reactor.
from autobahntestsuite import fuzzing, wstest
listen = fuzzing.listenWS
fuzzing.listenWS = lambda *args, **named: listen(*args, interface="127.0.0.1", **named)
wstest.run()
