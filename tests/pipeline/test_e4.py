import time, sys, os, multiprocessing
from tests.pipeline.children import *
from tests.pipeline.children import _CONTEXT
from tests.pipeline.conftest import *
def child(house_args, t0, conn):
    t1=time.time(); n=set(sys.modules)
    h=House(*house_args); s=h.site
    r=h.bill(site=s); t2=time.time()
    r=h.bill(); t3=time.time()
    conn.send((t1-t0, t2-t1, t3-t2, sorted(set(sys.modules)-n)[:30]))
def test_x(house, make_house, mariadb_url):
    bill_in_child(house)
    for i in range(4):
        a,b=_CONTEXT.Pipe(duplex=False)
        t=time.time()
        p=_CONTEXT.Process(target=child,args=((house.home,house.redcap_file,house.ledger_url),t,b)); p.start(); b.close()
        print(a.recv(), end=" "); t4=time.time(); p.join(); print("exit", time.time()-t4)
