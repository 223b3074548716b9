import asyncio, json
from tests.e2e.conftest import *
from tests.e2e.test_page import open_page
async def test_q(chromium, node, room):
    ann=await open_page(chromium,node,room,"ann")
    call=await ann.publish()
    ben=await open_page(chromium,node,room,"ben"); await ben.watch("ann")
    q="""(async () => {const pcs=[%s.pc];
      const rows=[...(await pcs[0].getStats()).values()]; 
      return JSON.stringify(rows.filter(r=>["outbound-rtp","candidate-pair","remote-inbound-rtp"].includes(r.type)&&r.kind!="audio").map(r=>({t:r.type,h:r.frameHeight,fps:r.framesPerSecond,q:r.qualityLimitationReason,d:r.qualityLimitationDurations,target:r.targetBitrate,avail:r.availableOutgoingBitrate,rtt:r.roundTripTime||r.currentRoundTripTime,pli:r.pliCount,nack:r.nackCount,lost:r.packetsLost,fl:r.fractionLost,state:r.state, cpu:r.totalEncodeTime, n:r.framesEncoded}))) })()"""
    expr = call if isinstance(call,str) else None
    print("CALL",call)
    for i in range(8):
        await asyncio.sleep(2)
        print(await ann.tab.evaluate(q % (expr or "headwater.publisher.call")))
