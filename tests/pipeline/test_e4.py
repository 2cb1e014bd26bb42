import time, sys, os, resource
from tests.pipeline.test_killed import *
from tests.pipeline.conftest import *
def test_x(make_house):
    trial=Trial(make_house, nullcontext, None)
    for n in (60,80,100,120):
        with trial.house() as house:
            t=time.time(); bill_in_child(house, kill_at=n); t1=time.time(); bill_in_child(house); t2=time.time(); house.outcome(); t3=time.time(); trial._files_are_whole(house); t4=time.time()
        print(n, "killed %.2f rerun %.2f outcome %.2f files %.2f close %.2f" % (t1-t, t2-t1, t3-t2, t4-t3, time.time()-t4))
